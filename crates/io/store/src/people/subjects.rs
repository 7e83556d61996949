//! Which subject of another provider is whom here.

use super::People;
use crate::error::StoreError;
use sqlx::Row;

impl People {
    /// Connects a subject of another provider with a person. False where it is connected already, or the person has gone.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn connect(&self, issuer: &str, subject: &str, person: &str) -> Result<bool, StoreError> {
        let sql = "INSERT INTO subjects (issuer, subject, person) SELECT ?, ?, id FROM people WHERE id = ? \
                   ON CONFLICT (issuer, subject) DO NOTHING";
        let done = async |connection: &mut _| {
            sqlx::query(sql).bind(issuer).bind(subject).bind(person).execute(connection).await
        };
        Ok(self.write(done).await?.rows_affected() == 1)
    }

    /// The id of the person with whom a subject is connected.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn connected(&self, issuer: &str, subject: &str) -> Result<Option<String>, StoreError> {
        let sql = "SELECT person FROM subjects WHERE issuer = ? AND subject = ?";
        let read = async |connection: &mut _| {
            let row = sqlx::query(sql).bind(issuer).bind(subject).fetch_optional(connection).await?;
            row.map(|row| row.try_get(0)).transpose()
        };
        self.read(read).await
    }

    /// Takes that back. False where the subject is not that person's.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn disconnect(&self, person: &str, issuer: &str, subject: &str) -> Result<bool, StoreError> {
        let sql = "DELETE FROM subjects WHERE person = ? AND issuer = ? AND subject = ?";
        let done = async |connection: &mut _| {
            sqlx::query(sql).bind(person).bind(issuer).bind(subject).execute(connection).await
        };
        Ok(self.write(done).await?.rows_affected() == 1)
    }

    /// Takes back all of a person's.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn disconnect_all(&self, person: &str) -> Result<(), StoreError> {
        let done = async |connection: &mut _| {
            sqlx::query("DELETE FROM subjects WHERE person = ?").bind(person).execute(connection).await
        };
        self.write(done).await.map(drop)
    }
}

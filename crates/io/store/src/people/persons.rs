//! One person in the database.

use super::People;
use crate::error::StoreError;
use crate::limits::QUERY_PEOPLE_MAX;
use sqlx::Row;
use sqlx::sqlite::SqliteRow;

/// A person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Person {
    /// Never given to anybody else.
    pub id: String,
    /// By which the person signs in; nobody else's at the same time.
    pub name: String,
    /// Grows with each change; 1 for a new one.
    pub version: i64,
    /// Everything else.
    pub record: String,
}

impl People {
    /// Adds somebody. False where another person has that name already, and nothing changed.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn add(&self, person: &Person) -> Result<bool, StoreError> {
        let Person { id, name, version, record } = person;
        let sql = "INSERT INTO people (id, name, version, record) VALUES (?, ?, ?, ?) ON CONFLICT (name) DO NOTHING";
        let done = async |connection: &mut _| {
            sqlx::query(sql).bind(id).bind(name).bind(version).bind(record).execute(connection).await
        };
        Ok(self.write(done).await?.rows_affected() == 1)
    }

    /// Puts another record in the place of the one that has `person.version`. False where somebody else changed it
    /// meanwhile, or it has gone, and nothing changed.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn change(&self, person: &Person) -> Result<bool, StoreError> {
        let Person { id, version, record, .. } = person;
        let sql = "UPDATE people SET record = ?, version = version + 1 WHERE id = ? AND version = ?";
        let done =
            async |connection: &mut _| sqlx::query(sql).bind(record).bind(id).bind(version).execute(connection).await;
        Ok(self.write(done).await?.rows_affected() == 1)
    }

    /// Removes somebody, with all sessions and consents. False where there is nobody.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn remove(&self, id: &str) -> Result<bool, StoreError> {
        let done = async |connection: &mut _| {
            sqlx::query("DELETE FROM people WHERE id = ?").bind(id).execute(connection).await
        };
        Ok(self.write(done).await?.rows_affected() == 1)
    }

    /// The person of that id.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn person(&self, id: &str) -> Result<Option<Person>, StoreError> {
        self.one("SELECT id, name, version, record FROM people WHERE id = ?", id).await
    }

    /// The person of that name.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn person_named(&self, name: &str) -> Result<Option<Person>, StoreError> {
        self.one("SELECT id, name, version, record FROM people WHERE name = ?", name).await
    }

    async fn one(&self, sql: &'static str, key: &str) -> Result<Option<Person>, StoreError> {
        let found = async |connection: &mut _| sqlx::query(sql).bind(key).fetch_optional(connection).await;
        let read = async |connection: &mut _| found(connection).await?.as_ref().map(person).transpose();
        self.read(read).await
    }

    /// Everybody whose name comes after `after`, by name, at most [`QUERY_PEOPLE_MAX`].
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn people_after(&self, after: &str) -> Result<Vec<Person>, StoreError> {
        let sql = "SELECT id, name, version, record FROM people WHERE name > ? ORDER BY name LIMIT ?";
        let read = async |connection: &mut _| {
            let rows = sqlx::query(sql).bind(after).bind(i64::from(QUERY_PEOPLE_MAX)).fetch_all(connection).await?;
            rows.iter().map(person).collect()
        };
        self.read(read).await
    }
}

fn person(row: &SqliteRow) -> Result<Person, sqlx::Error> {
    Ok(Person { id: row.try_get(0)?, name: row.try_get(1)?, version: row.try_get(2)?, record: row.try_get(3)? })
}

//! What people allowed clients to do for them.

use super::{People, signed, time};
use crate::error::StoreError;
use bartizan_core::Timestamp;
use sqlx::Row;
use sqlx::sqlite::SqliteRow;

/// What somebody allowed a client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Consent {
    /// Who.
    pub person: String,
    /// Which client.
    pub client: String,
    /// Where.
    pub audience: String,
    /// What: scopes with blanks between.
    pub scopes: String,
    /// When, last.
    pub at: Timestamp,
}

impl People {
    /// Remembers a consent in the place of an earlier one for the same client and audience. False where the person has gone.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn give_consent(&self, consent: &Consent) -> Result<bool, StoreError> {
        let Consent { person, client, audience, scopes, at } = consent;
        let sql = "INSERT INTO consents (person, client, audience, scopes, at_ms) \
                   SELECT id, ?, ?, ?, ? FROM people WHERE id = ? \
                   ON CONFLICT (person, client, audience) DO UPDATE SET scopes = excluded.scopes, at_ms = excluded.at_ms";
        let done = async |connection: &mut _| {
            let insert = sqlx::query(sql).bind(client).bind(audience).bind(scopes).bind(signed(*at));
            insert.bind(person).execute(connection).await
        };
        Ok(self.write(done).await?.rows_affected() == 1)
    }

    /// Forgets all consents of a person to a client. False where there was none.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn take_consent(&self, person: &str, client: &str) -> Result<bool, StoreError> {
        let sql = "DELETE FROM consents WHERE person = ? AND client = ?";
        let done = async |connection: &mut _| sqlx::query(sql).bind(person).bind(client).execute(connection).await;
        Ok(self.write(done).await?.rows_affected() > 0)
    }

    /// All consents of a person, by client and audience.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn consents_of(&self, person: &str) -> Result<Vec<Consent>, StoreError> {
        let sql =
            "SELECT person, client, audience, scopes, at_ms FROM consents WHERE person = ? ORDER BY client, audience";
        let read = async |connection: &mut _| {
            sqlx::query(sql).bind(person).fetch_all(connection).await?.iter().map(consent).collect()
        };
        self.read(read).await
    }
}

fn consent(row: &SqliteRow) -> Result<Consent, sqlx::Error> {
    Ok(Consent {
        person: row.try_get(0)?,
        client: row.try_get(1)?,
        audience: row.try_get(2)?,
        scopes: row.try_get(3)?,
        at: time(row.try_get(4)?),
    })
}

//! Texts that are shown in chat from time to time.

use super::changes::Topic;
use super::row::{Row, bounded, readable};
use super::work::{Answer, Work};
use crate::io::sql::own::{Own, OwnError};
use crate::limits::{ADVERT_CHARS_MAX, ADVERTS_MAX};
use crate::protocol::backend::{Advert, Listing, Reply};

pub(super) fn list(work: &mut Work) -> Answer {
    let adverts = work.kept(Topic::Adverts, |known| &mut known.adverts, read)?;
    Ok(Reply::Adverts(adverts.as_ref().clone()))
}

fn read(own: &mut Own) -> Result<Listing<Advert>, OwnError> {
    let select = format!(
        "SELECT content, colour FROM vpid_adverts WHERE enabled <> 0 ORDER BY position, id LIMIT {ADVERTS_MAX}"
    );
    let rows = own.rows(&select, &[])?.into_iter().map(|row| {
        let mut row = Row::new("vpid_adverts", row);
        Ok(Advert {
            content: bounded(&row.text()?, ADVERT_CHARS_MAX).to_owned(),
            colour: row.text()?,
        })
    });
    let (items, skipped) = readable(rows)?;
    Ok(Listing { items, skipped })
}

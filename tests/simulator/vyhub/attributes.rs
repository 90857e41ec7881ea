//! What is counted of users: one attribute, whose additions are summed up by day.

use std::collections::BTreeMap;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use vpid::protocol::backend::Request;
use vpid::protocol::uuid::Uuid;
use vpid::protocol::vyhub::{Addition, Attribute, Failure, Reply};

use super::{Api, next_id, status};

#[derive(Default)]
pub struct Attributes {
    definition: Option<Attribute>,
    /// In the attribute's unit, as often as it was added to.
    days: BTreeMap<(Uuid, Date), f64>,
}

impl Attributes {
    /// Of a user, on each day.
    pub fn days(&self, user: Uuid) -> impl Iterator<Item = (Date, f64)> {
        let of = self.days.iter().filter(move |((of, _), _)| *of == user);
        of.map(|((_, day), sum)| (*day, *sum))
    }

    pub fn total(&self, user: Uuid) -> f64 {
        self.days(user).map(|(_, sum)| sum).sum()
    }

    fn add(&mut self, addition: &Addition) {
        let value: f64 = addition.value.parse().expect("a number");
        let (_, decimals) = addition.value.split_once('.').unwrap_or_default();
        assert!(value > 0.0 && decimals.len() >= 6, "{}", addition.value);
        let day = addition.date.to_zoned(TimeZone::UTC).date();
        *self.days.entry((addition.user, day)).or_default() += value;
    }
}

impl Api {
    pub(super) fn answer_attributes(&mut self, request: &Request) -> Result<Reply, Failure> {
        let definition = self.attributes.definition.clone();
        Ok(match request {
            Request::FindAttribute(name) => {
                let found = definition.filter(|it| it.name == *name);
                Reply::Attribute(found.ok_or_else(|| status(404, None))?)
            }
            Request::CreateAttribute(new) => {
                // Names are unique.
                if definition.is_some() {
                    return Err(status(400, None));
                }
                let made = Attribute {
                    id: next_id(&mut self.last_id),
                    name: new.name.into(),
                    accumulated: true,
                };
                self.attributes.definition = Some(made.clone());
                Reply::Attribute(made)
            }
            Request::AddToAttribute(addition) => {
                self.knows(addition.user)?;
                let known = definition.is_some_and(|it| it.id == addition.attribute);
                known.then_some(()).ok_or_else(|| status(404, None))?;
                self.attributes.add(addition);
                Reply::Nothing
            }
            Request::AttributesOfUser { user, .. } => {
                self.knows(*user)?;
                let total = self.attributes.total(*user);
                let named = definition.filter(|_| total > 0.0);
                let named = named.map(|it| (it.name, total.to_string()));
                Reply::Attributes(named.into_iter().collect())
            }
            other => panic!("{other:?} is not about attributes"),
        })
    }
}

//! Rights of users in a bundle, as they were known last; those who have any are kept on disk, so
//! that admins can act while VyHub is away.

use std::collections::{BTreeMap, HashMap};

use serde::{Deserialize, Serialize};

use super::api::Purpose;
use super::rights::{Right, Rights, Verdict, may};
use super::{Cx, Vyhub};
use crate::core::Now;
use crate::limits;
use crate::protocol::steam_id::SteamId;
use crate::protocol::store::{Content, Shelf};
use crate::protocol::uuid::Uuid;
use crate::protocol::vyhub::{Group, Outcome, Property, Reply, Request};

/// Its file's name.
pub const DOCUMENT: &str = "rights";

type Key = (SteamId, Uuid);

#[derive(Default)]
pub struct KnownRights {
    known: HashMap<Key, Known>,
    wanted: BTreeMap<Key, Wanted>,
}

struct Known {
    user: Uuid,
    rights: Rights,
    /// When they were fetched in this run, on the daemon's clock.
    fetched_ms: Option<u64>,
}

/// Rights that are being fetched.
#[derive(Default)]
struct Wanted {
    asked: bool,
    groups: Option<Vec<Group>>,
    properties: Option<Vec<Property>>,
}

#[derive(Serialize, Deserialize)]
struct Document {
    version: u64,
    users: Vec<Line>,
}

#[derive(Serialize, Deserialize)]
struct Line {
    steam: SteamId,
    bundle: Uuid,
    user: Uuid,
    rights: Rights,
}

impl KnownRights {
    /// With what an earlier run has kept. The error is a sentence.
    pub fn restore(text: &str) -> Result<Self, String> {
        let document: Document = serde_json::from_str(text).map_err(|error| error.to_string())?;
        let mut rights = Self::default();
        for line in document.users {
            let known = Known {
                user: line.user,
                rights: line.rights,
                fetched_ms: None,
            };
            rights.known.insert((line.steam, line.bundle), known);
        }
        Ok(rights)
    }

    pub fn get(&self, steam: SteamId, bundle: Uuid) -> Option<&Rights> {
        self.known.get(&(steam, bundle)).map(|known| &known.rights)
    }

    /// The user of VyHub to whom these rights belong; known also while VyHub is away.
    pub fn user(&self, steam: SteamId, bundle: Uuid) -> Option<Uuid> {
        self.known.get(&(steam, bundle)).map(|known| known.user)
    }

    pub fn may(&self, steam: SteamId, bundle: Uuid, right: Right, now: Now) -> Verdict {
        may(self.get(steam, bundle), right, now.wall_s)
    }

    /// How long ago they were fetched.
    pub fn age_ms(&self, steam: SteamId, bundle: Uuid, now: Now) -> Option<u64> {
        let fetched_ms = self.known.get(&(steam, bundle))?.fetched_ms?;
        Some(now.mono_ms - fetched_ms)
    }

    pub fn want(&mut self, steam: SteamId, bundle: Uuid) {
        self.wanted.entry((steam, bundle)).or_default();
    }

    pub fn is_wanted(&self, steam: SteamId, bundle: Uuid) -> bool {
        self.wanted.contains_key(&(steam, bundle))
    }

    /// Their user cannot be looked up.
    pub fn give_up(&mut self, steam: SteamId, bundle: Uuid) {
        self.wanted.remove(&(steam, bundle));
    }

    fn document(&self) -> String {
        let kept = self.known.iter().filter(|(_, known)| known.is_somebody());
        let mut users: Vec<Line> = kept
            .map(|((steam, bundle), known)| Line {
                steam: *steam,
                bundle: *bundle,
                user: known.user,
                rights: known.rights.clone(),
            })
            .collect();
        users.sort_by_key(|line| (std::cmp::Reverse(line.rights.known_s), line.steam));
        users.truncate(limits::VYHUB_RIGHTS_KEPT_MAX);
        let document = Document { version: 1, users };
        serde_json::to_string_pretty(&document).unwrap_or_default()
    }
}

impl Known {
    /// Whether there is a right that could be used while VyHub is away.
    fn is_somebody(&self) -> bool {
        let Rights {
            admin,
            groups,
            properties,
            ..
        } = &self.rights;
        let granted = |list: &[Property]| list.iter().any(|property| property.granted);
        *admin || granted(properties) || groups.iter().any(|group| granted(&group.properties))
    }
}

impl Vyhub {
    /// Asks for rights that are wanted, once their user is known.
    pub(super) fn look_rights_up(&mut self, cx: &mut Cx<'_>) {
        let asked = self
            .rights
            .wanted
            .values()
            .filter(|wanted| wanted.asked)
            .count();
        let room = limits::VYHUB_LOOKUPS_MAX.saturating_sub(asked);
        let ready = self
            .rights
            .wanted
            .iter_mut()
            .filter(|(_, wanted)| !wanted.asked);
        let ready =
            ready.filter_map(|(key, wanted)| Some((*key, wanted, self.users.get(key.0)?.id)));
        for ((steam, bundle), wanted, user) in ready.take(room) {
            wanted.asked = true;
            let groups = Purpose::Groups(steam, bundle);
            self.api.ask(groups, Request::groups(user, bundle), cx.out);
            let properties = Purpose::Properties(steam, bundle);
            self.api.ask(properties, Request::properties(user), cx.out);
        }
    }

    /// Groups or properties of a user have come, or not.
    pub(super) fn rights_answered(
        &mut self,
        steam: SteamId,
        bundle: Uuid,
        outcome: Outcome,
        cx: &mut Cx<'_>,
    ) {
        let key = (steam, bundle);
        let Some(wanted) = self.rights.wanted.get_mut(&key) else {
            return;
        };
        match outcome.result {
            Ok(Reply::Groups(groups)) => wanted.groups = Some(groups),
            Ok(Reply::Properties(properties)) => wanted.properties = Some(properties),
            _ => {
                self.rights.wanted.remove(&key);
                return self.rights_failed(steam, bundle, cx);
            }
        }
        let (Some(groups), Some(properties)) = (&mut wanted.groups, &mut wanted.properties) else {
            return;
        };
        let (groups, properties) = (std::mem::take(groups), std::mem::take(properties));
        self.rights.wanted.remove(&key);
        let Some(user) = self.users.get(steam) else {
            return self.rights_failed(steam, bundle, cx);
        };
        let fresh = Known {
            user: user.id,
            rights: Rights {
                admin: user.admin,
                groups,
                properties,
                known_s: cx.now.wall_s,
            },
            fetched_ms: Some(cx.now.mono_ms),
        };
        let somebody = fresh.is_somebody();
        let before = self.rights.known.insert(key, fresh);
        if somebody || before.is_some_and(|known| known.is_somebody()) {
            let content = Some(Content::Json(self.rights.document()));
            self.api
                .write(Shelf::Cache, DOCUMENT.into(), content, None, cx.out);
        }
        self.rights_known(steam, bundle, cx);
    }

    /// Rights of those who play grow old; of those who have left, only what is kept stays.
    pub(super) fn refresh_rights(&mut self, cx: &mut Cx<'_>) {
        for served in &self.served {
            let (Some(bundle), Some(server)) = (served.bundle(), cx.servers.get(served.server))
            else {
                continue;
            };
            for steam in server.roster.people().filter_map(|person| person.steam) {
                let age_ms = self.rights.age_ms(steam, bundle, cx.now);
                let old = age_ms.is_none_or(|age_ms| age_ms >= limits::VYHUB_RIGHTS_MS);
                if old && self.users.get(steam).is_some() {
                    self.rights.want(steam, bundle);
                }
            }
        }
        let plays = |steam: SteamId| cx.servers.find(steam).next().is_some();
        self.rights
            .known
            .retain(|(steam, _), known| known.is_somebody() || plays(*steam));
    }
}

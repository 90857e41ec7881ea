//! What others may know of players: who they are in VyHub, and what they may do.

use super::Vyhub;
use super::rights::{Right, Verdict};
use crate::core::Now;
use crate::core::context::{About, Directory};
use crate::core::servers::ServerId;
use crate::protocol::steam_id::SteamId;

impl Directory for Vyhub {
    fn about(&self, server: ServerId, steam: SteamId, now: Now) -> Option<About> {
        let bundle = self.served(server)?.bundle()?;
        let user = self.users.get(steam).map(|user| user.id);
        let may = |right| self.rights.may(steam, bundle, right, now) == Verdict::Yes;
        let mut groups = match self.rights.get(steam, bundle) {
            Some(rights) => rights.groups.iter().collect(),
            None => Vec::new(),
        };
        groups.sort_by_key(|group| std::cmp::Reverse(group.permission_level));
        Some(About {
            user: user.or_else(|| self.rights.user(steam, bundle)),
            admin: may(Right::BanEdit) || may(Right::WarningEdit),
            groups: groups.iter().map(|group| group.name.clone()).collect(),
        })
    }

    fn is_administrator(&self, server: ServerId, steam: SteamId, now: Now) -> bool {
        let bundle = self.served(server).and_then(|served| served.bundle());
        bundle.is_some_and(|bundle| {
            let rights = self.rights.get(steam, bundle);
            // What is known for too long is not believed.
            rights.is_some_and(|rights| rights.admin)
                && self.rights.may(steam, bundle, Right::BanEdit, now) == Verdict::Yes
        })
    }
}

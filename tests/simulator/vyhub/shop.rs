//! The shop: packets that are bought, extended, refunded and run out, and the rewards that servers owe for
//! them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use vpid::protocol::steam_id::SteamId;
use vpid::protocol::uuid::Uuid;
use vpid::protocol::vyhub::{Action, Failure, Reward, RewardEvent};

use super::{Api, BUNDLE, SUPPORTER, VIP, next_id, status};

/// What can be bought.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Packet {
    Vip,
    Coins,
    Supporter,
    /// Of many rewards.
    Heap,
}

/// A reward of a packet.
#[derive(Clone, Copy)]
pub struct Offer {
    pub name: &'static str,
    pub on: RewardEvent,
    pub once: bool,
    pub once_from_all: bool,
    pub reactivates: bool,
    is_fulfilled: bool,
}

const ONCE: Offer = Offer {
    name: "",
    on: RewardEvent::Direct,
    once: true,
    once_from_all: false,
    reactivates: false,
    is_fulfilled: true,
};

const VIP_OFFERS: &[Offer] = &[
    Offer {
        name: "welcome",
        ..ONCE
    },
    Offer {
        name: "renewed",
        reactivates: true,
        ..ONCE
    },
    Offer {
        name: "over",
        on: RewardEvent::Disable,
        ..ONCE
    },
];

const COINS_OFFERS: &[Offer] = &[
    Offer {
        name: "coins",
        once_from_all: true,
        ..ONCE
    },
    Offer {
        name: "greeting",
        on: RewardEvent::Connect,
        ..ONCE
    },
    Offer {
        name: "farewell",
        on: RewardEvent::Disconnect,
        ..ONCE
    },
    Offer {
        name: "unfulfilled",
        is_fulfilled: false,
        ..ONCE
    },
];

const SUPPORTER_OFFERS: &[Offer] = &[
    Offer {
        name: "consolation",
        on: RewardEvent::Death,
        ..ONCE
    },
    Offer {
        name: "always",
        once: false,
        ..ONCE
    },
    Offer {
        name: "entrance",
        on: RewardEvent::Connect,
        once: false,
        ..ONCE
    },
];

static HEAP_OFFERS: LazyLock<Vec<Offer>> = LazyLock::new(|| {
    let offer = |n| Offer {
        name: format!("spawned{n}").leak(),
        on: RewardEvent::Spawn,
        ..ONCE
    };
    (0..50).map(offer).collect()
});

impl Packet {
    fn offers(self) -> &'static [Offer] {
        match self {
            Self::Vip => VIP_OFFERS,
            Self::Coins => COINS_OFFERS,
            Self::Supporter => SUPPORTER_OFFERS,
            Self::Heap => &HEAP_OFFERS,
        }
    }

    fn group(self) -> Option<Uuid> {
        match self {
            Self::Vip => Some(VIP),
            Self::Supporter => Some(SUPPORTER),
            Self::Coins | Self::Heap => None,
        }
    }
}

/// A packet that a user has bought.
pub struct Bought {
    pub id: Uuid,
    pub packet: Packet,
    pub user: Uuid,
    steam: SteamId,
    /// By VyHub's clock.
    pub end_s: i64,
    /// With the group of the packet.
    membership: Option<Uuid>,
}

/// A reward that is owed.
pub struct Applied {
    pub id: Uuid,
    pub offer: &'static Offer,
    /// Its place in [`Shop::bought`].
    pub bought: usize,
    /// Servers that have reported it since it was applied, or applied again.
    pub executed_on: BTreeSet<Uuid>,
    /// How often each server has reported it.
    pub reports: BTreeMap<Uuid, u32>,
}

#[derive(Default)]
pub struct Shop {
    pub bought: Vec<Bought>,
    pub applied: Vec<Applied>,
    of_user: BTreeMap<Uuid, Vec<usize>>,
}

impl Shop {
    /// What a server owes these users.
    pub fn open(&self, server: Uuid, users: &[Uuid], now_s: i64) -> Vec<Reward> {
        let places = users.iter().filter_map(|user| self.of_user.get(user));
        let applied = places.flatten().map(|place| &self.applied[*place]);
        let open = applied.filter(|it| {
            let over = self.bought[it.bought].end_s <= now_s;
            let done = match it.offer.once_from_all {
                true => !it.executed_on.is_empty(),
                false => it.executed_on.contains(&server),
            };
            over == (it.offer.on == RewardEvent::Disable) && !(it.offer.once && done)
        });
        open.map(|it| self.reward(it)).collect()
    }

    fn reward(&self, applied: &Applied) -> Reward {
        let (offer, bought) = (applied.offer, &self.bought[applied.bought]);
        let name = offer.name;
        Reward {
            id: applied.id,
            of: Uuid(0x70),
            name: name.into(),
            steam: bought.steam,
            user: bought.user,
            action: Action::Command(format!(
                "sm_reward %applied_packet_id% {name} %steamid64% \"%nick%\""
            )),
            on: offer.on,
            order: 1.0,
            once: offer.once,
            once_from_all: offer.once_from_all,
            reactivates: offer.reactivates,
            is_fulfilled: offer.is_fulfilled,
            applied_packet: bought.id,
            packet_title: format!("{:?}; \"gold\"", bought.packet),
            amount: Some("5.00 EUR".into()),
            executed_on: applied.executed_on.iter().copied().collect(),
        }
    }

    pub fn executed(&mut self, reward: Uuid, server: Uuid) -> Result<(), Failure> {
        let found = self.applied.iter_mut().find(|it| it.id == reward);
        let applied = found.ok_or_else(|| status(404, None))?;
        if applied.executed_on.insert(server) {
            *applied.reports.entry(server).or_default() += 1;
        }
        Ok(())
    }
}

/// What happens in the shop. Times are by VyHub's clock.
impl Api {
    pub fn buy(&mut self, steam: SteamId, packet: Packet, now_s: i64, length_s: i64) {
        let user = self.user(steam);
        let end_s = now_s + length_s;
        let membership = packet.group().map(|group| {
            let id = next_id(&mut self.last_id);
            self.members
                .add(id, (user, BUNDLE), group, now_s, Some(end_s));
            id
        });
        let bought = self.shop.bought.len();
        self.shop.bought.push(Bought {
            id: next_id(&mut self.last_id),
            packet,
            user,
            steam,
            end_s,
            membership,
        });
        for offer in packet.offers() {
            let places = self.shop.of_user.entry(user).or_default();
            places.push(self.shop.applied.len());
            self.shop.applied.push(Applied {
                id: next_id(&mut self.last_id),
                offer,
                bought,
                executed_on: BTreeSet::new(),
                reports: BTreeMap::new(),
            });
        }
    }

    /// It lasts longer, and what it reactivates is owed again where it was executed.
    pub fn extend(&mut self, bought: usize, length_s: i64) {
        let it = &mut self.shop.bought[bought];
        it.end_s += length_s;
        let end_s = it.end_s;
        let membership = it.membership;
        let of = self.members.all.iter_mut();
        for held in of.filter(|held| Some(held.id) == membership) {
            held.end = Some(jiff::Timestamp::from_second(end_s).expect("a time"));
        }
        let applied = self.shop.applied.iter_mut();
        let again = applied.filter(|it| it.bought == bought && it.offer.reactivates);
        for applied in again.filter(|it| !it.executed_on.is_empty()) {
            applied.executed_on.clear();
        }
    }

    /// It is over now.
    pub fn refund(&mut self, bought: usize, now_s: i64) {
        let it = &mut self.shop.bought[bought];
        it.end_s = it.end_s.min(now_s);
        if let Some(membership) = it.membership {
            self.members.end(now_s, |it| it.id == membership);
        }
    }
}

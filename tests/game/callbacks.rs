//! The daemon's model of the client's table of callbacks against a real Squirrel table: both lose
//! the same.

use std::collections::BTreeSet;

use game_vm::{Object, Value, Vm};
use vpid::core::callbacks::Callbacks;

/// What a stock client does with its table.
const CLIENT: &[u8] = b"
return {
    waiting = {}
    function Expect(tokens) { foreach (token in tokens) waiting[token] <- 1 }
    function Read(answered) {
        foreach (token, _ in waiting)
            if (token in answered)
                delete waiting[token]
    }
    function Left() {
        local left = []
        foreach (token, _ in waiting)
            left.append(token)
        return left
    }
}";

struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 8) % bound
    }
}

/// A real table and its model.
struct Both {
    vm: Vm,
    client: Object,
    model: Callbacks,
}

impl Both {
    fn new() -> Self {
        let vm = Vm::new();
        let script = vm.compile("client.nut", CLIENT).expect("it compiles");
        let client = vm.call(&script, &vm.root().into(), &[]).expect("it runs");
        let client = client.as_object().expect("a table").clone();
        let model = Callbacks::default();
        Self { vm, client, model }
    }

    fn call(&self, function: &str, argument: Option<Value>) -> Value {
        let f = self.vm.get(&self.client, function);
        let f = f.as_object().expect("a function");
        let arguments: Vec<Value> = argument.into_iter().collect();
        let result = self.vm.call(f, &self.client.clone().into(), &arguments);
        result.expect("it runs")
    }

    fn expect(&mut self, tokens: &[String]) {
        let list: Vec<Value> = tokens.iter().map(|token| token.as_str().into()).collect();
        self.call("Expect", Some(self.vm.array(&list).into()));
        for token in tokens {
            self.model.expect(token, u64::MAX);
        }
    }

    fn read(&mut self, answered: &[String]) {
        let table = self.vm.table();
        for token in answered {
            self.vm.set(&table, token, &1.into());
        }
        self.call("Read", Some(table.into()));
        self.model.were_read(answered.iter().map(String::as_str));
    }

    fn left(&self) -> BTreeSet<String> {
        let Value::Object(left) = self.call("Left", None) else {
            panic!("an array");
        };
        let left = self.vm.entries(&left).into_iter();
        left.map(|(_, token)| self.vm.display(&token)).collect()
    }

    fn forecast(&self) -> BTreeSet<String> {
        self.model.waiting().map(str::to_string).collect()
    }
}

impl Drop for Both {
    fn drop(&mut self) {
        self.vm.clone().close();
    }
}

#[test]
fn the_model_forgets_what_the_real_table_forgets() {
    for seed in 1..400u64 {
        let mut random = Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let mut both = Both::new();
        for round in 0..4 {
            let count = random.below(45);
            // Mostly as `UniqueString` makes them; long ones are hashed in steps, and bytes from
            // 128 on are negative numbers to Squirrel. Where its integers have 64 bits, so have its
            // hashes: of short texts they end in the same bits.
            let kinds = if game_vm::IS_WIDE { 2..8 } else { 0..8 };
            let fresh: Vec<String> = (0..count)
                .map(
                    |_| match kinds.start + random.below(kinds.end - kinds.start) {
                        0 => format!("longer_{:x}", random.below(1 << 40)),
                        1 => format!(
                            "so long that not every byte counts, ü, {:x}",
                            random.below(1 << 40)
                        ),
                        _ => format!("_{:x}{:x}_", random.below(4096), random.below(512)),
                    },
                )
                .collect();
            // What would exceed the model's bound is another matter.
            if both.left().len() + fresh.len() <= 120 {
                both.expect(&fresh);
            }
            let share = 1 + random.below(8);
            let mut answered: Vec<String> = both.left().into_iter().collect();
            answered.retain(|_| random.below(8) < share);
            both.read(&answered);
            assert_eq!(both.left(), both.forecast(), "seed {seed}, round {round}");
        }
    }
}

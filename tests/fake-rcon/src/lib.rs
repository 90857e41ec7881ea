//! A game server's console and RCON, for tests and the demo of vpid. [`FakeRcon`] speaks RCON as
//! an engine does, and as badly as a test wants; [`FakeServer`] has players and knows the few
//! commands that vpid uses; [`console`] is what an engine's console makes of a line, and [`script`]
//! what its script engine makes of the code that vpid sends.

mod connection;
pub mod console;
mod packet;
pub mod script;
mod server;

pub use server::{FakeServer, Player, Shown};

use std::io;
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

/// After so many wrong passwords, every connection is refused.
pub const FAILURES_MAX: usize = 5;

/// How replies are cut into packets, and packets into writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shape {
    /// Of the body of one packet.
    pub packet_bytes: usize,
    pub writes: Writes,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Writes {
    /// One for each packet.
    Each,
    /// One for a whole reply, the marks behind it included.
    Together,
    /// One for each byte.
    Bytes,
}

/// What goes wrong once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trouble {
    /// The connection is dropped instead of an answer to the password.
    DropAtPassword,
    /// The password is never answered.
    HangAtPassword,
    /// The connection is dropped when a command comes, which is not run.
    DropBefore,
    /// The command is run, and the connection dropped.
    DropAfter,
    /// The command is run, and nothing more is ever sent on this connection.
    Hang,
    /// The command is run, and what is no packet is sent.
    Garbage,
}

/// A game's RCON on a free port of the loopback interface, until it is dropped.
pub struct FakeRcon {
    address: SocketAddr,
    shared: Arc<Shared>,
}

type Handler = Box<dyn FnMut(&str) -> String + Send>;

struct Shared {
    state: Mutex<State>,
    changed: Condvar,
    handler: Mutex<Handler>,
}

struct State {
    password: String,
    shape: Shape,
    trouble: Option<Trouble>,
    commands: Vec<String>,
    connections: usize,
    passwords: usize,
    failures: usize,
    streams: Vec<TcpStream>,
    stopped: bool,
    /// The port is free again.
    ended: bool,
}

impl FakeRcon {
    /// Starts it. The handler runs each command, and what it returns is the reply.
    pub fn start(password: &str, handler: impl FnMut(&str) -> String + Send + 'static) -> Self {
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        Self::start_at(any, password, handler).expect("a free port of the loopback interface")
    }

    /// The same on an address that a client may know from an earlier one.
    pub fn start_at(
        address: SocketAddr,
        password: &str,
        handler: impl FnMut(&str) -> String + Send + 'static,
    ) -> io::Result<Self> {
        let listener = TcpListener::bind(address)?;
        let address = listener.local_addr()?;
        let state = State {
            password: password.to_string(),
            shape: Shape {
                packet_bytes: 4_096,
                writes: Writes::Each,
            },
            trouble: None,
            commands: Vec::new(),
            connections: 0,
            passwords: 0,
            failures: 0,
            streams: Vec::new(),
            stopped: false,
            ended: false,
        };
        let shared = Arc::new(Shared {
            state: Mutex::new(state),
            changed: Condvar::new(),
            handler: Mutex::new(Box::new(handler)),
        });
        let for_thread = Arc::clone(&shared);
        thread::spawn(move || {
            accept(&listener, &for_thread);
            drop(listener);
            for_thread.lock().ended = true;
            for_thread.changed.notify_all();
        });
        Ok(Self { address, shared })
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The commands that were run, in their order.
    pub fn commands(&self) -> Vec<String> {
        self.shared.lock().commands.clone()
    }

    /// Waits until the commands are as wanted; whether they became so.
    pub fn wait_for(&self, wanted: impl Fn(&[String]) -> bool, within: Duration) -> bool {
        self.shared
            .wait_until(|state| wanted(&state.commands), within)
    }

    /// How many connections were accepted, those that were shut out included.
    pub fn connections(&self) -> usize {
        self.shared.lock().connections
    }

    /// How many passwords came, right or wrong.
    pub fn passwords(&self) -> usize {
        self.shared.lock().passwords
    }

    pub fn set_password(&self, password: &str) {
        self.shared.lock().password = password.to_string();
    }

    pub fn set_shape(&self, packet_bytes: usize, writes: Writes) {
        self.shared.lock().shape = Shape {
            packet_bytes: packet_bytes.max(1),
            writes,
        };
    }

    /// Lets this go wrong at the next opportunity.
    pub fn trouble(&self, trouble: Trouble) {
        self.shared.lock().trouble = Some(trouble);
    }

    /// Closes every connection that is open now.
    pub fn disconnect(&self) {
        self.shared.lock().disconnect();
    }
}

impl Drop for FakeRcon {
    fn drop(&mut self) {
        let mut state = self.shared.lock();
        state.stopped = true;
        state.disconnect();
        drop(state);
        self.shared.changed.notify_all();
        // Wakes the thread that accepts, which then ends and frees the port.
        drop(TcpStream::connect(self.address));
        self.shared
            .wait_until(|state| state.ended, Duration::from_secs(5));
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait_until(&self, wanted: impl Fn(&State) -> bool, within: Duration) -> bool {
        let state = self.lock();
        let waited = self
            .changed
            .wait_timeout_while(state, within, |state| !wanted(state));
        let (state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        wanted(&state)
    }

    /// Runs a command, and remembers it when it was run.
    fn run(&self, line: &str) -> String {
        let reply = self.handler.lock().unwrap_or_else(PoisonError::into_inner)(line);
        self.lock().commands.push(line.to_string());
        self.changed.notify_all();
        reply
    }
}

impl State {
    fn disconnect(&mut self) {
        for stream in self.streams.drain(..) {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }

    /// Takes the trouble if it is one of these.
    fn take_trouble(&mut self, kinds: &[Trouble]) -> Option<Trouble> {
        self.trouble.take_if(|trouble| kinds.contains(trouble))
    }
}

fn accept(listener: &TcpListener, shared: &Arc<Shared>) {
    for stream in listener.incoming() {
        let mut state = shared.lock();
        if state.stopped {
            break;
        }
        let Ok(stream) = stream else { continue };
        state.connections += 1;
        shared.changed.notify_all();
        let Ok(kept) = stream.try_clone() else {
            continue;
        };
        if state.failures >= FAILURES_MAX {
            continue;
        }
        state.streams.push(kept);
        drop(state);
        let shared = Arc::clone(shared);
        thread::spawn(move || {
            // It ends with the connection, however that ends.
            let _ = connection::serve(&stream, &shared);
            let _ = stream.shutdown(Shutdown::Both);
        });
    }
}

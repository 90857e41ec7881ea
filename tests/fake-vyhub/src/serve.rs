//! The listener, its connections, and their end.

use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::thread::{self, JoinHandle};

use crate::Shared;
use crate::connection;

/// A port that is listened to; dropped, it refuses connections, and those that were are closed.
pub struct Listening {
    address: SocketAddr,
    ends: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Listening {
    pub fn start(listener: TcpListener, shared: &Arc<Shared>) -> Self {
        let address = listener.local_addr().expect("the address of a listener");
        let ends = Arc::new(AtomicBool::new(false));
        let thread = thread::spawn({
            let (ends, shared) = (Arc::clone(&ends), Arc::clone(shared));
            move || accept(&listener, &ends, &shared)
        });
        Self {
            address,
            ends,
            thread: Some(thread),
        }
    }
}

fn accept(listener: &TcpListener, ends: &AtomicBool, shared: &Arc<Shared>) {
    // Only the connection's own thread holds its socket: that it is closed must be up to it.
    let mut connections: Vec<(Weak<TcpStream>, JoinHandle<()>)> = Vec::new();
    for stream in listener.incoming() {
        if ends.load(Ordering::SeqCst) {
            break;
        }
        let Ok(stream) = stream.map(Arc::new) else {
            continue;
        };
        connections.retain(|(_, thread)| !thread.is_finished());
        let socket = Arc::downgrade(&stream);
        let shared = Arc::clone(shared);
        let thread = thread::spawn(move || connection::serve(&stream, &shared));
        connections.push((socket, thread));
    }
    for (socket, _) in &connections {
        if let Some(stream) = socket.upgrade() {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
    for (_, thread) in connections {
        let _ = thread.join();
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        self.ends.store(true, Ordering::SeqCst);
        // Wakes the thread, which waits for a connection.
        let _ = TcpStream::connect(self.address);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

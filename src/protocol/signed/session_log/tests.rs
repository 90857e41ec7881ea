use super::*;

fn id(byte: u8) -> Id {
    Id::from_random([byte; 16])
}

fn story() -> Vec<Note> {
    let host = 0xabc;
    let took = |session, n, ack| Note::Took {
        host,
        session,
        n,
        file: 100 + n,
        ack,
    };
    vec![
        Note::Signs { server: 5, host: 6 },
        Note::Asked {
            host,
            session: id(1),
            nonce: id(11),
            server: 5,
        },
        Note::Began {
            host,
            session: id(1),
        },
        took(id(1), 1, 0),
        took(id(1), 2, 1),
        Note::Done {
            host,
            session: id(1),
            n: 1,
        },
        Note::Asked {
            host,
            session: id(2),
            nonce: id(12),
            server: 5,
        },
        Note::Began {
            host,
            session: id(2),
        },
        took(id(2), 1, 0),
        Note::Done {
            host,
            session: id(2),
            n: 1,
        },
        Note::Asked {
            host,
            session: id(3),
            nonce: id(13),
            server: 5,
        },
    ]
}

fn fold(notes: &[Note]) -> Sessions {
    let mut sessions = Sessions::default();
    notes.iter().for_each(|note| sessions.apply(note));
    sessions
}

#[test]
fn notes_are_lines() {
    for note in story() {
        assert_eq!(Note::parse(&note.to_string()), Some(note));
    }
    for bad in [
        "",
        "began",
        "began x 1",
        "done 1 2 3",
        "took 1 2",
        "asked abc zz zz",
        "signs 1",
        "signs 1 2 3",
    ] {
        assert_eq!(Note::parse(bad), None, "{bad}");
    }
}

#[test]
fn the_present_session_and_the_one_before_are_known() {
    let sessions = fold(&story());
    let host = sessions.get(0xabc).unwrap();
    let (active, ended) = (host.active.clone().unwrap(), host.ended.clone().unwrap());
    assert_eq!((active.session, active.received), (id(2), 1));
    assert!(active.open.is_empty());
    assert_eq!((ended.received, ended.acked), (2, 1));
    assert_eq!(ended.open, BTreeMap::from([(2, 102)]));
    assert_eq!(host.asked, [(id(3), id(13))]);
}

#[test]
fn the_shortened_log_says_the_same() {
    for end in 0..=story().len() {
        let sessions = fold(&story()[..end]);
        assert_eq!(fold(&sessions.notes()), sessions, "after {end} notes");
    }
}

#[test]
fn sessions_that_never_begin_are_forgotten() {
    let mut sessions = Sessions::default();
    for byte in 0..20 {
        let (session, nonce) = (id(byte), id(byte));
        sessions.apply(&Note::Asked {
            host: 1,
            session,
            nonce,
            server: 5,
        });
    }
    assert_eq!(
        sessions.get(1).unwrap().asked.len(),
        limits::HELLOS_PENDING_MAX
    );
}

#[test]
fn that_a_host_signs_outlives_its_sessions() {
    let mut sessions = fold(&story());
    sessions.forget(0xabc);
    assert!(sessions.signs(5, 6) && !sessions.signs(5, 7) && !sessions.signs(6, 6));
    assert!(fold(&sessions.notes()).signs(5, 6));
    sessions.apply(&Note::Stock { server: 5, host: 6 });
    assert!(!sessions.signs(5, 6));
}

#[test]
fn hosts_of_one_server_push_out_none_of_another() {
    let mut sessions = fold(&story());
    for host in 1 << 32..(1 << 32) + 2 * limits::SIGNING_HOSTS_MAX as u64 {
        sessions.apply(&Note::Signs { server: 9, host });
        sessions.apply(&Note::Asked {
            host,
            session: id(1),
            nonce: id(2),
            server: 9,
        });
    }
    assert!(sessions.signs(5, 6));
    assert!(sessions.has_begun(0xabc));
    assert_eq!(sessions.hosts.len(), limits::SIGNED_HOSTS_MAX);
    let bytes: usize = sessions
        .notes()
        .iter()
        .map(|note| note.to_string().len() + 1)
        .sum();
    assert!(
        (bytes as u64) < limits::SESSION_LOG_BYTES_MAX / 2,
        "{bytes}"
    );
}

#[test]
fn a_log_of_an_earlier_version_is_read() {
    let line = format!("asked abc {} {}", id(1), id(2));
    let expected = Note::Asked {
        host: 0xabc,
        session: id(1),
        nonce: id(2),
        server: 0,
    };
    assert_eq!(Note::parse(&line), Some(expected));
}

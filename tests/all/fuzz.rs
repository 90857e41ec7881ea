//! A short run of every fuzz target, without libFuzzer: its corpus, and inputs made from it.
//!
//! The long runs are by hand (CONTRIBUTING.md says how); what they find becomes a file of the
//! corpus, and stays tried here.

#[path = "../../fuzz/src/lib.rs"]
mod targets;

use std::fs;
use std::panic::catch_unwind;
use std::path::{Path, PathBuf};

use crate::support::Random;

/// Inputs that are made for each target.
const INPUTS: usize = 5_000;
const INPUT_BYTES_MAX: usize = 4_096;
/// Bytes that mean something to one reader or another.
const MEANINGFUL: &[u8] = b"\0\n\r\t \"'\\/;:,.<>[](){}#*%$!?-_0129aAuU\x7f\x80\xbf\xc3\xe2\xff";

fn folder(target: &str) -> PathBuf {
    let fuzz = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz");
    fuzz.join("corpus").join(target)
}

/// The committed inputs of a target, by name.
fn corpus(target: &str) -> Vec<Vec<u8>> {
    let entries = fs::read_dir(folder(target)).expect("every target has a corpus");
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files.iter().map(|file| fs::read(file).unwrap()).collect()
}

/// Changes an input in a few places, as a fuzzer does.
fn mutate(input: &mut Vec<u8>, corpus: &[Vec<u8>], random: &mut Random) {
    for _ in 0..=random.below(4) {
        let at = random.below(input.len() as u64 + 1) as usize;
        let end = (at + random.below(16) as usize).min(input.len());
        match random.below(7) {
            0 if at < input.len() => input[at] = random.next() as u8,
            1 if at < input.len() => input[at] ^= 1 << random.below(8),
            2 => input.insert(
                at,
                MEANINGFUL[random.below(MEANINGFUL.len() as u64) as usize],
            ),
            3 => drop(input.drain(at..end)),
            4 => {
                let piece = input[at..end].to_vec();
                input.splice(at..at, piece);
            }
            5 => {
                let other = &corpus[random.below(corpus.len() as u64) as usize];
                let from = random.below(other.len() as u64 + 1) as usize;
                input.truncate(at);
                input.extend_from_slice(&other[from..]);
            }
            _ => input.extend((0..random.below(8)).map(|_| random.next() as u8)),
        }
    }
    input.truncate(INPUT_BYTES_MAX);
}

#[test]
fn no_fuzz_target_fails_on_its_corpus_or_near_it() {
    let seed = Random::seed();
    println!("VPID_SEED={seed}");
    for (target, _) in targets::TARGETS {
        let corpus = corpus(target);
        assert!(!corpus.is_empty(), "{target} has no corpus");
        let mut random = Random::new(seed);
        let made = (0..INPUTS).map(|_| {
            let mut input = corpus[random.below(corpus.len() as u64) as usize].clone();
            mutate(&mut input, &corpus, &mut random);
            input
        });
        for input in corpus.iter().cloned().chain(made) {
            let outcome = catch_unwind(|| targets::run(target, &input));
            assert!(
                outcome.is_ok(),
                "{target} fails on \"{}\"; VPID_SEED={seed} makes it again, and a file of \
                 fuzz/corpus/{target}/ keeps it",
                input.escape_ascii()
            );
        }
    }
}

#[test]
fn every_fuzz_target_is_in_the_manifest() {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/Cargo.toml");
    let manifest: toml::Table = fs::read_to_string(manifest).unwrap().parse().unwrap();
    let bins = manifest["bin"].as_array().expect("targets");
    let named: Vec<&str> = bins
        .iter()
        .map(|bin| bin["name"].as_str().unwrap())
        .collect();
    let known: Vec<&str> = targets::TARGETS.iter().map(|(name, _)| *name).collect();
    assert_eq!(named, known);
}

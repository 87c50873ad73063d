//! The house is in order: dependencies point down, the core stays pure, files stay small.

use std::path::{Path, PathBuf};
use std::process::Command;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// The names of the crates that a package needs to be built for its users.
fn tree(package: &str) -> Vec<String> {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    let output = Command::new(cargo)
        .current_dir(root())
        .args([
            "tree",
            "--offline",
            "--edges",
            "normal",
            "--prefix",
            "none",
            "--format",
            "{p}",
            "--package",
            package,
        ])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    let mut names: Vec<String> =
        text.lines().filter_map(|line| line.split(' ').next()).map(str::to_owned).collect();
    names.sort();
    names.dedup();
    assert!(names.contains(&package.to_owned()), "{names:?}");
    names
}

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            // What is outside of the workspace builds in its own folder.
            if !path.ends_with("target") {
                sources(&path, found);
            }
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

#[test]
fn the_core_reaches_no_runtime_no_sockets_no_randomness() {
    let tree = tree("milena-core");
    let impure = [
        "tokio",
        "mio",
        "async-io",
        "polling",
        "socket2",
        "rustix",
        "getrandom",
        "rand",
        "fastrand",
        "futures-executor",
    ];
    for name in impure {
        assert!(!tree.iter().any(|found| found == name), "milena-core needs {name}");
    }
    assert_eq!(tree.iter().filter(|name| name.starts_with("milena")).count(), 1, "{tree:?}");
}

#[test]
fn an_adapter_reaches_no_other_runtime() {
    for (adapter, foreign) in [
        ("milena-blocking", vec!["tokio", "mio", "async-io", "async-std", "smol", "futures-core"]),
        ("milena-tokio", vec!["async-io", "async-std", "smol"]),
        // async-std is discontinued, and advisories are about it: only who asks for it gets it.
        ("milena-async-std", vec!["tokio", "mio", "async-std"]),
    ] {
        let tree = tree(adapter);
        for name in foreign {
            assert!(!tree.iter().any(|found| found == name), "{adapter} needs {name}");
        }
        let ours: Vec<_> = tree.iter().filter(|name| name.starts_with("milena")).collect();
        assert_eq!(ours.len(), 2, "{adapter} is built on milena-core alone: {ours:?}");
    }
}

#[test]
fn simulated_brokers_know_nothing_of_the_client() {
    let mut files = Vec::new();
    sources(&root().join("conformance/src/cluster"), &mut files);
    assert!(!files.is_empty());
    for file in files {
        let text = std::fs::read_to_string(&file).unwrap();
        for line in text.lines().filter(|line| line.contains("milena_core::")) {
            let allowed =
                ["milena_core::wire", "milena_core::protocol", "milena_core::record", "milena_core::{"];
            // A mechanism's hashes are as given as a CRC is; the server's half is the brokers' own.
            let hashes = file.components().any(|part| part.as_os_str() == "sasl")
                && line.contains("milena_core::sasl::scram::");
            assert!(hashes || allowed.iter().any(|path| line.contains(path)), "{}: {line}", file.display());
        }
        assert!(!text.contains("milena_tokio") && !text.contains("milena_blocking"), "{}", file.display());
    }
}

#[test]
fn files_have_one_subject() {
    let mut files = Vec::new();
    for package in ["core", "runtime-tokio", "runtime-async-std", "runtime-blocking", "conformance"] {
        sources(&root().join(package), &mut files);
    }
    assert!(files.len() > 50);
    for file in files {
        let lines = std::fs::read_to_string(&file).unwrap().lines().count();
        let limit = if file.ends_with("tests.rs") || file.components().any(|c| c.as_os_str() == "tests") {
            1200
        } else {
            900
        };
        assert!(lines <= limit, "{} has {lines} lines: split it by subject", file.display());
    }
}

//! The house is in order: dependencies point down, the core stays pure, files stay small.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
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

#[test]
fn the_core_has_no_circles_of_modules() {
    let uses = uses(&root().join("core/src"));
    // Through a re-export: what is written is `super::Batch`.
    assert!(uses["record/builder.rs"]["record/batch.rs"].contains("Batch"), "{uses:#?}");
    let mut circles = BTreeSet::new();
    for (taker, sources) in &uses {
        for mut circle in sources.keys().filter_map(|source| way(&uses, source, taker)) {
            let first = (0..circle.len()).min_by_key(|at| circle[*at]).unwrap();
            circle.rotate_left(first);
            let lines = circle.iter().zip(circle.iter().cycle().skip(1)).map(|(taker, source)| {
                let names: Vec<_> = uses[*taker][*source].iter().map(String::as_str).collect();
                format!("  {taker} takes {} from {source}\n", names.join(", "))
            });
            circles.insert(lines.collect::<String>());
        }
    }
    assert!(circles.is_empty(), "circles:\n{}", Vec::from_iter(circles).join("\n"));
}

/// By file, what it takes from each other one.
type Uses = BTreeMap<String, BTreeMap<String, BTreeSet<String>>>;

/// The shortest way from one file to another, along what each takes.
fn way<'a>(uses: &'a Uses, start: &'a str, end: &str) -> Option<Vec<&'a str>> {
    let (mut ways, mut seen) = (VecDeque::from([vec![start]]), BTreeSet::from([start]));
    while let Some(way) = ways.pop_front() {
        let last = way[way.len() - 1];
        if last == end {
            return Some(way);
        }
        let next = uses.get(last).into_iter().flat_map(BTreeMap::keys);
        ways.extend(next.filter(|next| seen.insert(next)).map(|next| [&way[..], &[next]].concat()));
    }
    None
}

/// What a module's text tells of names that are not its own. A module inside of a file is one, too.
#[derive(Default)]
struct Module {
    file: String,
    /// What each name stands for that a `use` brings in.
    names: BTreeMap<String, Vec<String>>,
    /// The paths that its code has, those of one word too.
    paths: Vec<Vec<String>>,
}

/// By their paths, such as `record::batch`; the crate's root is the empty one.
type Modules = BTreeMap<String, Module>;

fn uses(folder: &Path) -> Uses {
    let (mut files, mut modules, mut uses) = (Vec::new(), Modules::new(), Uses::new());
    sources(folder, &mut files);
    for path in files {
        let file = path.strip_prefix(folder).unwrap().to_str().unwrap();
        let module = file.trim_end_matches(".rs").trim_end_matches("/mod").replace('/', "::");
        if !module.split("::").any(|part| part.ends_with("tests")) {
            let module = if module == "lib" { "" } else { &module };
            read(module, file, &tokens(&std::fs::read_to_string(&path).unwrap()), &mut modules);
        }
    }
    for (at, module) in &modules {
        for (source, name) in module.paths.iter().filter_map(|path| resolve(&modules, at, path)) {
            if source != module.file {
                uses.entry(module.file.clone()).or_default().entry(source).or_default().insert(name);
            }
        }
    }
    uses
}

/// The file that defines what a path names, and its name there; re-exports are looked through. `None` for a module, for what is
/// another crate's, and for a word that no `use` brought in.
fn resolve(modules: &Modules, at: &str, path: &[String]) -> Option<(String, String)> {
    let mut at = at.to_owned();
    for (index, part) in path.iter().enumerate() {
        let child = format!("{at}::{part}").trim_start_matches("::").to_owned();
        match (part.as_str(), modules[&at].names.get(part)) {
            ("self", _) => {}
            ("crate", _) => at.clear(),
            ("super", _) => at.truncate(at.rfind("::").unwrap_or(0)),
            _ if modules.contains_key(&child) => at = child,
            (_, Some(whole)) if whole[0] != *part => {
                return resolve(modules, &at, &[whole, &path[index + 1..]].concat());
            }
            _ => return (index > 0).then(|| (modules[&at].file.clone(), part.clone())),
        }
    }
    None
}

/// Reads a module, and those inside of it but tests, which are known by their name.
fn read(module: &str, file: &str, tokens: &[&str], modules: &mut Modules) {
    let mut found = modules.remove(module).unwrap_or_default();
    found.file = file.to_owned();
    let mut rest = tokens;
    while let Some(token) = rest.first() {
        let before = tokens.len().checked_sub(rest.len() + 1).map_or("", |at| tokens[at]);
        let mut size = 1;
        match rest {
            ["mod", name, "{", ..] => {
                size = end(rest);
                if !name.ends_with("tests") {
                    let inner = format!("{module}::{name}");
                    read(inner.trim_start_matches("::"), file, &rest[3..size - 1], modules);
                }
            }
            // Not `impl Trait + use<'a>`.
            ["use", next, ..] if *next != "<" => {
                size = rest.iter().position(|token| *token == ";").expect("every `use` ends");
                let names = imports(&rest[1..size]);
                // To pass a name on is no use of it.
                if !["pub", ")"].contains(&before) {
                    found.paths.extend(names.iter().map(|(_, path)| path.clone()));
                }
                found.names.extend(names);
            }
            // After a dot are fields and methods.
            _ if is_word(token) && before != "." => {
                let mut path = vec![(*token).to_owned()];
                while let Some(["::", next]) = rest.get(size..size + 2)
                    && is_word(next)
                {
                    path.push((*next).to_owned());
                    size += 2;
                }
                found.paths.push(path);
            }
            _ => {}
        }
        rest = &rest[size..];
    }
    modules.insert(module.to_owned(), found);
}

/// How many tokens there are up to the end of the first block.
fn end(tokens: &[&str]) -> usize {
    let mut depth = 0;
    let end = tokens.iter().position(|token| {
        depth += i32::from(*token == "{") - i32::from(*token == "}");
        depth == 0 && *token == "}"
    });
    end.expect("every block ends") + 1
}

/// What a `use` brings in: names, and the path that each stands for.
fn imports(tokens: &[&str]) -> Vec<(String, Vec<String>)> {
    let mut tree = tokens.join(" ");
    // Each group, the innermost first, becomes a list of whole paths.
    while let Some(open) = tree.rfind('{') {
        let close = open + tree[open..].find('}').expect("every group ends");
        let start = tree[..open].rfind(['{', ',']).map_or(0, |at| at + 1);
        let parts = tree[open + 1..close].split(',').filter(|part| !part.trim().is_empty());
        let whole: Vec<_> = parts.map(|part| tree[start..open].to_owned() + part).collect();
        tree.replace_range(start..=close, &whole.join(","));
    }
    let read = |one: &str| {
        let (path, alias) = one.split_once(" as ").unwrap_or((one, ""));
        let mut path: Vec<_> = path.split("::").map(|part| part.trim().to_owned()).collect();
        assert_ne!(path[path.len() - 1], "*", "a glob hides what is taken: {one}");
        path.pop_if(|last| last == "self");
        let name = if alias.is_empty() { &path[path.len() - 1] } else { alias.trim() };
        (name.to_owned(), path)
    };
    tree.split(',').map(read).collect()
}

fn is_word(token: &str) -> bool {
    token.starts_with(|c: char| c.is_alphabetic() || c == '_')
}

/// A source's words and signs, without its comments, texts, characters and the ticks of lifetimes.
fn tokens(mut text: &str) -> Vec<&str> {
    let mut tokens = Vec::new();
    while let Some(first) = text.chars().next() {
        let word = text.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(text.len());
        let size = match first {
            '/' if text.starts_with("//") => text.find('\n').unwrap_or(text.len()),
            '"' => {
                let escapes =
                    |at: usize| text[1..=at].bytes().rev().take_while(|byte| *byte == b'\\').count();
                let mut quotes = text[1..].match_indices('"');
                quotes.find(|(at, _)| escapes(*at) % 2 == 0).expect("every text ends").0 + 2
            }
            '\'' if text.starts_with("'\\") => text[3..].find('\'').expect("every character ends") + 4,
            '\'' if text.chars().nth(2) == Some('\'') => text[1..].find('\'').expect("it was seen") + 2,
            ':' | '.' if text.starts_with("::") || text.starts_with("..") => 2,
            _ => word.max(first.len_utf8()),
        };
        if !first.is_whitespace() && (size == 1 || !['/', '"', '\''].contains(&first)) {
            tokens.push(&text[..size]);
        }
        text = &text[size..];
    }
    tokens
}

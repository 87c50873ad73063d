//! The configurations that there are: types, defaults and bounds, as Kafka's own definitions have them.

use std::sync::LazyLock;

use crate::cluster::release::Release;

/// Kafka's definitions; `vectors/README.md` describes the columns.
const DEFINED: &str = include_str!("../../../../vectors/configs.tsv");

static TABLE: LazyLock<Vec<Known>> =
    LazyLock::new(|| DEFINED.lines().skip(1).filter_map(Known::parse).collect());

/// What a configuration belongs to, with the protocol's number for such a resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(i8)]
pub(in crate::cluster) enum Scope {
    Topic = 2,
    Broker = 4,
    ClientMetrics = 16,
    Group = 32,
}

impl Scope {
    pub(super) const ALL: [Scope; 4] = [Scope::Topic, Scope::Broker, Scope::ClientMetrics, Scope::Group];

    pub(super) fn from_number(number: i8) -> Option<Self> {
        Scope::ALL.into_iter().find(|scope| *scope as i8 == number)
    }
}

/// A value's type, with the number that DescribeConfigs has for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i8)]
pub(super) enum Kind {
    Boolean = 1,
    String = 2,
    Int = 3,
    Short = 4,
    Long = 5,
    Double = 6,
    List = 7,
    Class = 8,
    Password = 9,
}

/// One configuration.
#[derive(Debug)]
pub(super) struct Known {
    pub(super) scope: Scope,
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    pub(super) default: Option<&'static str>,
    /// What it may be, if not everything of its type: `a|b`, `1..`, `0..1`.
    valid: &'static str,
    /// Whether a broker takes it while it runs.
    pub(super) dynamic: bool,
    /// The brokers' configurations that a topic takes it from, the first one first.
    pub(super) synonyms: Vec<&'static str>,
    releases: (Release, Release),
}

/// The configuration of this name.
pub(super) fn known(scope: Scope, name: &str, release: Release) -> Option<&'static Known> {
    all(scope, release).find(|known| known.name == name)
}

/// All of a kind of resource, by name.
pub(super) fn all(scope: Scope, release: Release) -> impl Iterator<Item = &'static Known> {
    TABLE
        .iter()
        .filter(move |known| known.scope == scope && (known.releases.0..=known.releases.1).contains(&release))
}

impl Known {
    fn parse(line: &'static str) -> Option<Self> {
        let columns: Vec<_> = line.split('\t').collect();
        let &[scope, name, kind, default, valid, dynamic, synonyms, releases] = &columns[..] else {
            return None;
        };
        let (first, last) = releases.split_once('-').unwrap_or_default();
        Some(Known {
            scope: match scope {
                "topic" => Scope::Topic,
                "broker" => Scope::Broker,
                "metrics" => Scope::ClientMetrics,
                _ => Scope::Group,
            },
            name,
            kind: match kind {
                "boolean" => Kind::Boolean,
                "int" => Kind::Int,
                "short" => Kind::Short,
                "long" => Kind::Long,
                "double" => Kind::Double,
                "list" => Kind::List,
                "class" => Kind::Class,
                "password" => Kind::Password,
                _ => Kind::String,
            },
            default: (default != "null").then_some(default),
            valid,
            dynamic: dynamic == "dyn",
            synonyms: synonyms.split(',').filter(|name| !name.is_empty()).collect(),
            releases: (first.parse().unwrap_or(Release::FIRST), last.parse().unwrap_or(Release::LATEST)),
        })
    }

    /// Whether it can have this value; if not, why, in Kafka's words.
    pub(super) fn check(&self, value: &str) -> Result<(), String> {
        let invalid =
            |why: String| Err(format!("Invalid value {value} for configuration {}: {why}", self.name));
        let is_number = match self.kind {
            Kind::Boolean if !["true", "false"].contains(&&*value.to_ascii_lowercase()) => {
                return invalid("Expected value to be either true or false".to_owned());
            }
            Kind::Short => value.parse::<i16>().is_ok(),
            Kind::Int => value.parse::<i32>().is_ok(),
            Kind::Long => value.parse::<i64>().is_ok(),
            Kind::Double => value.parse::<f64>().is_ok(),
            _ => return self.check_words(value).or_else(invalid),
        };
        if !is_number {
            return invalid(format!("Not a number of type {}", format!("{:?}", self.kind).to_uppercase()));
        }
        self.check_bounds(value.parse().unwrap_or(f64::NAN)).or_else(invalid)
    }

    fn check_words(&self, value: &str) -> Result<(), String> {
        let allowed: Vec<_> = self.valid.split('|').filter(|word| !word.is_empty()).collect();
        let mut words = match self.kind {
            Kind::List => value.split(',').map(str::trim).filter(|word| !word.is_empty()).collect(),
            _ => vec![value],
        };
        words.retain(|word| !allowed.contains(word));
        match allowed.is_empty() || words.is_empty() {
            true => Ok(()),
            false => Err(format!("String must be one of: {}", allowed.join(", "))),
        }
    }

    fn check_bounds(&self, number: f64) -> Result<(), String> {
        let mut why = String::new();
        for range in self.valid.split('|').filter(|range| !range.is_empty()) {
            let (first, last) = range.split_once("..").unwrap_or((range, range));
            if number < first.parse().unwrap_or(f64::MIN) {
                why = format!("Value must be at least {first}");
            } else if number > last.parse().unwrap_or(f64::MAX) {
                why = format!("Value must be no more than {last}");
            } else {
                return Ok(());
            }
        }
        if why.is_empty() { Ok(()) } else { Err(why) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_read_whole() {
        assert_eq!(TABLE.len(), DEFINED.lines().count() - 1);
        assert_eq!(all(Scope::Topic, Release::LATEST).count(), 33, "as a broker of 4.3 has them");
        let after = |release: &str| {
            known(Scope::Topic, "message.timestamp.after.max.ms", release.parse().unwrap())
                .map(|known| known.default)
        };
        assert_eq!(after("4.3"), Some(Some("3600000")), "KIP-1030");
        assert_eq!(after("3.9"), Some(Some("9223372036854775807")));
        assert_eq!(after("3.5"), None, "KIP-937 came with 3.6");
        for known in &*TABLE {
            let checked = known
                .default
                .filter(|default| !default.is_empty())
                .map_or(Ok(()), |default| known.check(default));
            assert_eq!(checked, Ok(()), "the default of {}", known.name);
            for synonym in &known.synonyms {
                assert!(
                    TABLE.iter().any(|other| other.name == *synonym && other.scope == Scope::Broker),
                    "{synonym}"
                );
            }
        }
    }

    #[test]
    fn values_are_checked() {
        let check =
            |name: &str, value: &str| known(Scope::Topic, name, Release::LATEST).unwrap().check(value);
        for (name, value) in [
            ("retention.ms", "-1"),
            ("cleanup.policy", "compact,delete"),
            ("compression.gzip.level", "-1"),
            ("min.cleanable.dirty.ratio", "0.3"),
            ("preallocate", "TRUE"),
        ] {
            assert_eq!(check(name, value), Ok(()), "{name}={value}");
        }
        for (name, value, why) in [
            ("retention.ms", "-2", "Value must be at least -1"),
            ("retention.ms", "soon", "Not a number of type LONG"),
            ("min.insync.replicas", "9999999999", "Not a number of type INT"),
            ("cleanup.policy", "compact,burn", "String must be one of: compact, delete"),
            ("compression.gzip.level", "10", "Value must be no more than 9"),
            ("min.cleanable.dirty.ratio", "1.5", "Value must be no more than 1"),
            ("preallocate", "yes", "Expected value to be either true or false"),
        ] {
            assert_eq!(
                check(name, value),
                Err(format!("Invalid value {value} for configuration {name}: {why}"))
            );
        }
    }
}

//! What differs between Kafka releases: artifacts, the mode they run in, and what old ones lack on a new JVM.

use std::fmt::{self, Write as _};

use super::KafkaError;

/// The first release whose brokers answer ApiVersions and whose clients' protocol is still served today.
const OLDEST: [u16; 3] = [0, 10, 1];

/// How a cluster keeps its metadata.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mode {
    /// One ZooKeeper process beside the brokers.
    ZooKeeper,
    /// Every node is broker and controller.
    Kraft,
}

/// A release of Apache Kafka, by number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Release {
    text: String,
    /// `[4, 3, 1]`, or `[0, 10, 2, 2]` in the days of the leading zero; ordered as lists are.
    numbers: Vec<u16>,
}

impl fmt::Display for Release {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// The console and system-test clients.
const TOOLS: &str = "kafka-tools";

impl Release {
    /// Reads `x.y.z` (`0.x.y.z` before 1.0).
    pub(super) fn parse(text: &str) -> Result<Self, KafkaError> {
        let unknown = |why: &str| KafkaError::Release { version: text.to_owned(), why: why.to_owned() };
        let numbers = text
            .split('.')
            .map(|part| part.parse::<u16>())
            .collect::<Result<Vec<_>, _>>()
            .map_err(|_| unknown("a release is numbers with dots between, such as 4.3.1"))?;
        let parts = if numbers[0] == 0 { 4 } else { 3 };
        if numbers.len() != parts {
            return Err(unknown("a release has three numbers, such as 4.3.1 (four before 1.0: 0.11.0.3)"));
        }
        if numbers.as_slice() < OLDEST.as_slice() {
            return Err(unknown("the oldest release that this launcher starts is 0.10.1.0"));
        }
        Ok(Self { text: text.to_owned(), numbers })
    }

    pub(super) fn is_before(&self, numbers: &[u16]) -> bool {
        self.numbers.as_slice() < numbers
    }

    pub(super) fn mode(&self) -> Mode {
        if self.is_before(&[3, 3]) { Mode::ZooKeeper } else { Mode::Kraft }
    }

    /// Kafka 4.0 brought share groups, whose state topic wants three replicas unless told otherwise.
    pub(super) fn has_share_coordinator(&self) -> bool {
        !self.is_before(&[4])
    }

    /// Kafka's core jar of this release, by the Scala it was built with.
    pub(super) fn artifact(&self) -> &'static str {
        if self.is_before(&[2]) {
            "kafka_2.11"
        } else if self.is_before(&[2, 7]) {
            "kafka_2.12"
        } else {
            "kafka_2.13"
        }
    }

    /// What the release needs beside its own jars to start, and to log, on Java 17.
    fn additions(&self) -> Vec<[&str; 3]> {
        let mut additions = Vec::new();
        if self.is_before(&[1, 1]) {
            // Java 9 deprecated and Java 11 dropped the package that these releases take their base64 from.
            additions.push(["javax.xml.bind", "jaxb-api", "2.3.1"]);
        }
        if !self.is_before(&[2]) && self.is_before(&[2, 4]) {
            // These releases' ZooKeeper client relies on how InetSocketAddress printed itself before Java 14, and
            // can't connect on Java 17; the client of the release before does not.
            additions.push(["org.apache.zookeeper", "zookeeper", "3.4.10"]);
        }
        if !self.is_before(&[1]) && self.is_before(&[4]) {
            additions.push(["org.slf4j", "slf4j-reload4j", "1.7.36"]);
        }
        if !self.is_before(&[4]) {
            additions.push(["org.apache.logging.log4j", "log4j-slf4j-impl", ""]);
            additions.push(["org.apache.kafka", TOOLS, &self.text]);
        }
        additions
    }

    /// The Maven project whose dependencies are the class path.
    pub(super) fn pom(&self) -> String {
        let mut pom = String::from(
            "<project xmlns=\"http://maven.apache.org/POM/4.0.0\"><modelVersion>4.0.0</modelVersion>\n\
             <groupId>milena</groupId><artifactId>kafka</artifactId><version>1</version>\n",
        );
        if !self.is_before(&[4]) {
            // The binding and log4j-core must be of one version, and not every 4.x brings the same one.
            pom.push_str(
                "<dependencyManagement><dependencies><dependency>\
                 <groupId>org.apache.logging.log4j</groupId><artifactId>log4j-bom</artifactId>\
                 <version>2.25.4</version><type>pom</type><scope>import</scope>\
                 </dependency></dependencies></dependencyManagement>\n",
            );
        }
        pom.push_str("<dependencies>\n");
        let kafka = ["org.apache.kafka", self.artifact(), &self.text];
        for [group, artifact, version] in std::iter::once(kafka).chain(self.additions()) {
            let _ = write!(pom, "<dependency><groupId>{group}</groupId><artifactId>{artifact}</artifactId>");
            if !version.is_empty() {
                let _ = write!(pom, "<version>{version}</version>");
            }
            if artifact == TOOLS {
                // All that the tools used here need comes with the brokers; the rest of Connect need not.
                pom.push_str(
                    "<exclusions><exclusion><groupId>*</groupId><artifactId>*</artifactId></exclusion></exclusions>",
                );
            }
            pom.push_str("</dependency>\n");
        }
        pom.push_str("</dependencies></project>\n");
        pom
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn release(text: &str) -> Release {
        Release::parse(text).expect("a known release")
    }

    #[test]
    fn families_differ_in_artifact_mode_and_additions() {
        let table = [
            ("0.10.1.1", "kafka_2.11", Mode::ZooKeeper, &["jaxb-api"][..]),
            ("0.11.0.3", "kafka_2.11", Mode::ZooKeeper, &["jaxb-api"]),
            ("1.1.1", "kafka_2.11", Mode::ZooKeeper, &["slf4j-reload4j"]),
            ("2.0.1", "kafka_2.12", Mode::ZooKeeper, &["zookeeper", "slf4j-reload4j"]),
            ("2.3.1", "kafka_2.12", Mode::ZooKeeper, &["zookeeper", "slf4j-reload4j"]),
            ("2.4.1", "kafka_2.12", Mode::ZooKeeper, &["slf4j-reload4j"]),
            ("2.7.2", "kafka_2.13", Mode::ZooKeeper, &["slf4j-reload4j"]),
            ("2.8.2", "kafka_2.13", Mode::ZooKeeper, &["slf4j-reload4j"]),
            ("3.3.2", "kafka_2.13", Mode::Kraft, &["slf4j-reload4j"]),
            ("3.9.2", "kafka_2.13", Mode::Kraft, &["slf4j-reload4j"]),
            ("4.0.1", "kafka_2.13", Mode::Kraft, &["log4j-slf4j-impl", "kafka-tools"]),
            ("4.3.1", "kafka_2.13", Mode::Kraft, &["log4j-slf4j-impl", "kafka-tools"]),
        ];
        for (text, artifact, mode, additions) in table {
            let release = release(text);
            assert_eq!(release.artifact(), artifact, "{text}");
            assert_eq!(release.mode(), mode, "{text}");
            let names: Vec<_> = release.additions().iter().map(|[_, artifact, _]| *artifact).collect();
            assert_eq!(names, additions, "{text}");
            assert_eq!(release.has_share_coordinator(), text.starts_with('4'), "{text}");
        }
    }

    #[test]
    fn the_pom_names_the_release_and_pins_zookeeper_where_it_must() {
        let pom = release("2.3.1").pom();
        assert!(pom.contains("<artifactId>kafka_2.12</artifactId><version>2.3.1</version>"), "{pom}");
        assert!(pom.contains("<artifactId>zookeeper</artifactId><version>3.4.10</version>"), "{pom}");
        assert!(!pom.contains("log4j-bom"), "{pom}");
        let pom = release("4.3.1").pom();
        assert!(pom.contains("<artifactId>log4j-bom</artifactId><version>2.25.4</version>"), "{pom}");
        assert!(pom.contains("<artifactId>log4j-slf4j-impl</artifactId></dependency>"), "{pom}");
        assert_eq!(pom.matches("<dependency>").count(), 4, "{pom}");
        assert!(
            pom.contains("<artifactId>kafka-tools</artifactId><version>4.3.1</version><exclusions>"),
            "{pom}"
        );
    }

    #[test]
    fn what_is_no_release_is_refused_with_the_reason() {
        for (text, reason) in [
            ("", "numbers with dots"),
            ("latest", "numbers with dots"),
            ("4.3", "three numbers"),
            ("4.3.1.0", "three numbers"),
            ("0.11.0", "four before 1.0"),
            ("0.10.0.1", "oldest release"),
            ("../4.3.1", "numbers with dots"),
        ] {
            let error = Release::parse(text).expect_err(text).to_string();
            assert!(error.contains(reason), "{text}: {error}");
        }
    }
}

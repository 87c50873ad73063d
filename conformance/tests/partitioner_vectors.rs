//! Keys go where Java's client would put them: 2,000 keys that it hashed.

use std::io::Read;

use milena_core::{Balancer, Murmur2, Partitions, Record, murmur2};

#[test]
fn murmur2_is_javas() {
    let file =
        std::fs::File::open(concat!(env!("CARGO_MANIFEST_DIR"), "/vectors/partitioners.tsv.gz")).unwrap();
    let mut text = String::new();
    flate2::read::GzDecoder::new(file).read_to_string(&mut text).unwrap();
    let mut checked = 0;
    for line in text.lines() {
        let columns: Vec<&str> = line.split('\t').collect();
        let hex = |at| u8::from_str_radix(&columns[0][at..at + 2], 16).unwrap();
        let key: Vec<u8> = (0..columns[0].len()).step_by(2).map(hex).collect();
        let (count, hash, partition) =
            (columns[1].parse().unwrap(), columns[2].parse().unwrap(), columns[3].parse().unwrap());
        assert_eq!(murmur2(&key) as i32, hash, "{line}");
        let partitions = Partitions { count, available: &[] };
        assert_eq!(Murmur2.balance(&Record::keyed(&key, ""), partitions), Some(partition), "{line}");
        checked += 1;
    }
    assert_eq!(checked, 2000);
}

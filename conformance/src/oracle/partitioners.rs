//! Lines of `partitioners`: a key in hex, a number of partitions, then hashes and partitions by several clients' ways.

use milena_core::{Balancer as _, Murmur2, Partitions, Record, crc32, fnv1a, murmur2};

use super::{Checked, columns, number, unhex};

pub(super) fn check(line: &[&str]) -> Result<Checked, String> {
    let [key, count, murmur2_hash, murmur2_at, crc32_hash, crc32_at, fnv1a_hash, fnv1a_at, reference_at] =
        columns(line)?;
    let failed = |what: String| format!("key {key}, {count} partitions: {what}");
    let data = unhex(key).map_err(failed)?;
    let count: i32 = number(count).map_err(failed)?;
    let Some(unsigned) = u32::try_from(count).ok().filter(|count| *count > 0) else {
        return Err(failed("no such number of partitions".to_owned()));
    };
    let agrees = |what: &str, ours: i64, theirs: &str| match number::<i64>(theirs).map_err(failed)? {
        theirs if theirs == ours => Ok(()),
        theirs => Err(failed(format!("{what} is {ours}, not {theirs}"))),
    };
    let partitions = Partitions { count, available: &[] };
    let balanced = Murmur2.balance(&Record::keyed(&data, ""), partitions).map_or(-1, i64::from);
    let (crc, fnv) = (crc32(&data), fnv1a(&data));
    agrees("murmur2", (murmur2(&data) as i32).into(), murmur2_hash)?;
    agrees("murmur2's partition", balanced, murmur2_at)?;
    agrees("CRC-32", crc.into(), crc32_hash)?;
    agrees("CRC-32's partition", (crc % unsigned).into(), crc32_at)?;
    agrees("FNV-1a", fnv.into(), fnv1a_hash)?;
    agrees("FNV-1a's partition", (i64::from(fnv as i32) % i64::from(count)).abs(), fnv1a_at)?;
    agrees("FNV-1a's partition by reference", ((fnv & 0x7fff_ffff) % unsigned).into(), reference_at)?;
    Ok(Checked::Agrees)
}

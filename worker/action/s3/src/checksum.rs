//! Checksums that S3 verifies, keeps and tells. Only those that are the same however an object was cut into parts.

use base64::{Engine, engine::general_purpose::STANDARD};
use crc_fast::{CrcAlgorithm, Digest, checksum, checksum_combine};

/// How objects are summed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Algorithm {
    /// What S3 itself computes for objects that came without a checksum.
    Crc64Nvme,
    /// What services that speak S3's protocol have known for longest.
    Crc32,
    /// What some programs send.
    Crc32C,
}

/// A checksum of some bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Sum {
    pub(crate) algorithm: Algorithm,
    value: u64,
    /// How many bytes it is of.
    length: u64,
}

impl Algorithm {
    pub(crate) fn digest(self) -> Digest {
        Digest::new(self.crc())
    }

    fn crc(self) -> CrcAlgorithm {
        match self {
            Self::Crc64Nvme => CrcAlgorithm::Crc64Nvme,
            Self::Crc32 => CrcAlgorithm::Crc32IsoHdlc,
            Self::Crc32C => CrcAlgorithm::Crc32Iscsi,
        }
    }

    /// Bytes of its values.
    fn width(self) -> usize {
        match self {
            Self::Crc64Nvme => 8,
            Self::Crc32 | Self::Crc32C => 4,
        }
    }

    fn text(self, value: u64) -> String {
        STANDARD.encode(self.bytes(value))
    }

    fn bytes(self, value: u64) -> Vec<u8> {
        value.to_be_bytes()[8 - self.width()..].to_vec()
    }
}

impl Sum {
    pub(crate) fn of(algorithm: Algorithm, bytes: &[u8]) -> Self {
        Self { algorithm, value: checksum(algorithm.crc(), bytes), length: bytes.len() as u64 }
    }

    /// Of what the digest, one of the algorithm's, has seen.
    pub(crate) fn finished(algorithm: Algorithm, digest: &Digest) -> Self {
        Self { algorithm, value: digest.finalize(), length: digest.get_amount() }
    }

    /// As S3 writes it.
    pub(crate) fn text(&self) -> String {
        self.algorithm.text(self.value)
    }

    /// Of these bytes and those of `next` after them; both of one algorithm.
    pub(crate) fn followed_by(self, next: Self) -> Self {
        let value = checksum_combine(self.algorithm.crc(), self.value, next.value, next.length);
        Self { algorithm: self.algorithm, value, length: self.length + next.length }
    }

    /// Of all parts as one object.
    pub(crate) fn whole(algorithm: Algorithm, parts: &[Self]) -> Self {
        parts.iter().fold(Self::of(algorithm, &[]), |whole, part| whole.followed_by(*part))
    }

    /// The sum of the parts' sums, as services write it that cannot sum over parts.
    pub(crate) fn composite(algorithm: Algorithm, parts: &[Self]) -> String {
        let sums: Vec<u8> = parts.iter().flat_map(|part| algorithm.bytes(part.value)).collect();
        format!("{}-{}", Self::of(algorithm, &sums).text(), parts.len())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ALL: [Algorithm; 3] = [Algorithm::Crc64Nvme, Algorithm::Crc32, Algorithm::Crc32C];

    #[test]
    fn sums_are_those_of_the_published_check_values() {
        let texts = ALL.map(|algorithm| Sum::of(algorithm, b"123456789").text());
        let check = [0xAE8B_1486_0A79_9888_u64, 0xCBF4_3926, 0xE306_9283];
        assert_eq!(texts[0], STANDARD.encode(check[0].to_be_bytes()));
        assert_eq!(texts[1], STANDARD.encode(&check[1].to_be_bytes()[4..]));
        assert_eq!(texts[2], STANDARD.encode(&check[2].to_be_bytes()[4..]));
    }

    #[test]
    fn a_composite_is_the_sum_of_sums_and_says_how_many() {
        let parts = [Sum::of(Algorithm::Crc32, b"12345"), Sum::of(Algorithm::Crc32, b"6789")];
        let sums: Vec<u8> = parts.iter().flat_map(|part| STANDARD.decode(part.text()).expect("base64")).collect();
        let text = format!("{}-2", Sum::of(Algorithm::Crc32, &sums).text());
        assert_eq!(Sum::composite(Algorithm::Crc32, &parts), text);
    }

    proptest! {
        #[test]
        fn however_bytes_are_cut_their_parts_have_the_sum_of_the_whole(
            bytes in proptest::collection::vec(any::<u8>(), 0..2000),
            size in 1_usize..700,
        ) {
            for algorithm in ALL {
                let parts: Vec<Sum> = bytes.chunks(size).map(|part| Sum::of(algorithm, part)).collect();
                let mut digest = algorithm.digest();
                bytes.chunks(size).for_each(|part| digest.update(part));
                let whole = Sum::of(algorithm, &bytes);
                prop_assert_eq!(Sum::whole(algorithm, &parts), whole);
                prop_assert_eq!(Sum::finished(algorithm, &digest), whole);
            }
        }
    }
}

//! Whether the two halves of an elliptic curve key belong together: the public point is the base
//! point, multiplied by the private number.

use super::modular::{self, Modulus};

/// y² = x³ + ax + b modulo a prime, and its base point; limbs of 64 bits, the least significant first.
struct Parameters {
    name: &'static str,
    prime: &'static [u64],
    a: &'static [u64],
    base: [&'static [u64]; 2],
}

/// SEC 2 §2.4.1, §2.4.2 and §2.5.1. Longer curves are rare, and would cost too much where hostile input
/// holds many keys.
const CURVES: &[Parameters] = &[
    Parameters {
        name: "P-256",
        prime: &[0xffff_ffff_ffff_ffff, 0xffff_ffff, 0, 0xffff_ffff_0000_0001],
        a: &[0xffff_ffff_ffff_fffc, 0xffff_ffff, 0, 0xffff_ffff_0000_0001],
        base: [
            &[
                0xf4a1_3945_d898_c296,
                0x7703_7d81_2deb_33a0,
                0xf8bc_e6e5_63a4_40f2,
                0x6b17_d1f2_e12c_4247,
            ],
            &[
                0xcbb6_4068_37bf_51f5,
                0x2bce_3357_6b31_5ece,
                0x8ee7_eb4a_7c0f_9e16,
                0x4fe3_42e2_fe1a_7f9b,
            ],
        ],
    },
    Parameters {
        name: "P-384",
        prime: &[
            0xffff_ffff,
            0xffff_ffff_0000_0000,
            0xffff_ffff_ffff_fffe,
            u64::MAX,
            u64::MAX,
            u64::MAX,
        ],
        a: &[
            0xffff_fffc,
            0xffff_ffff_0000_0000,
            0xffff_ffff_ffff_fffe,
            u64::MAX,
            u64::MAX,
            u64::MAX,
        ],
        base: [
            &[
                0x3a54_5e38_7276_0ab7,
                0x5502_f25d_bf55_296c,
                0x59f7_41e0_8254_2a38,
                0x6e1d_3b62_8ba7_9b98,
                0x8eb1_c71e_f320_ad74,
                0xaa87_ca22_be8b_0537,
            ],
            &[
                0x7a43_1d7c_90ea_0e5f,
                0x0a60_b1ce_1d7e_819d,
                0xe9da_3113_b5f0_b8c0,
                0xf8f4_1dbd_289a_147c,
                0x5d9e_98bf_9292_dc29,
                0x3617_de4a_9626_2c6f,
            ],
        ],
    },
    Parameters {
        name: "secp256k1",
        prime: &[0xffff_fffe_ffff_fc2f, u64::MAX, u64::MAX, u64::MAX],
        a: &[0, 0, 0, 0],
        base: [
            &[
                0x59f2_815b_16f8_1798,
                0x029b_fcdb_2dce_28d9,
                0x55a0_6295_ce87_0b07,
                0x79be_667e_f9dc_bbac,
            ],
            &[
                0x9c47_d08f_fb10_d4b8,
                0xfd17_b448_a685_5419,
                0x5da4_fbfc_0e11_08a8,
                0x483a_da77_26a3_c465,
            ],
        ],
    },
];

/// Whether `point` (SEC 1 §2.3.3, whole or compressed) is the public half of `scalar` on the curve of
/// that name; `None` for a curve that is not known here. Of a compressed point the sign is not asked.
pub(super) fn is_pair(curve: &str, scalar: &[u8], point: &[u8]) -> Option<bool> {
    let curve = CURVES.iter().find(|known| known.name == curve)?;
    let field = Modulus::new(curve.prime)?;
    let group = Group { a: field.of(curve.a), field: &field };
    let base = curve.base.map(|number| field.of(number));
    let size = curve.prime.len().checked_mul(8)?;
    let (x, y) = match point {
        [4, whole @ ..] => whole.split_at_checked(size).map(|(x, y)| (x, Some(y)))?,
        [2 | 3, x @ ..] => (x, None),
        _ => return None,
    };
    let is_number = |bytes: &[u8]| {
        bytes.len() == size && modular::is_below(&modular::from_big(bytes), curve.prime)
    };
    if scalar.len() != size || !is_number(x) || y.is_some_and(|y| !is_number(y)) {
        return Some(false);
    }
    let Point { x: found_x, y: found_y, z } = group.times(&base, &modular::from_big(scalar));
    if is_zero(&z) {
        return Some(false);
    }
    // The point is (X/Z², Y/Z³).
    let square = field.product(&z, &z);
    let cube = field.product(&square, &z);
    let is = |found: &[u64], by: &[u64], expected: &[u8]| {
        field.product(&field.of(&modular::from_big(expected)), by) == found
    };
    Some(is(&found_x, &square, x) && y.is_none_or(|y| is(&found_y, &cube, y)))
}

fn is_zero(number: &[u64]) -> bool {
    number.iter().all(|limb| *limb == 0)
}

/// A point in the coordinates of Jacobi; the neutral one where `z` is zero.
#[derive(Clone)]
struct Point {
    x: Vec<u64>,
    y: Vec<u64>,
    z: Vec<u64>,
}

struct Group<'a> {
    field: &'a Modulus,
    a: Vec<u64>,
}

impl Group<'_> {
    fn times(&self, [x, y]: &[Vec<u64>; 2], scalar: &[u64]) -> Point {
        let base = Point { x: x.clone(), y: y.clone(), z: self.field.one().to_vec() };
        let zero = vec![0; x.len()];
        let mut sum = Point { x: base.x.clone(), y: base.y.clone(), z: zero };
        for limb in scalar.iter().rev() {
            for bit in (0..u64::BITS).rev() {
                sum = self.doubled(&sum);
                if limb.checked_shr(bit).unwrap_or(0) % 2 == 1 {
                    sum = self.plus(&sum, &base);
                }
            }
        }
        sum
    }

    /// "dbl-1998-cmo" of the Explicit-Formulas Database.
    fn doubled(&self, point: &Point) -> Point {
        let field = self.field;
        let twice = |number: &[u64]| field.sum(number, number);
        let (xx, yy, zz) = (
            field.product(&point.x, &point.x),
            field.product(&point.y, &point.y),
            field.product(&point.z, &point.z),
        );
        let four_xyy = twice(&twice(&field.product(&point.x, &yy)));
        let slope = field
            .sum(&field.sum(&twice(&xx), &xx), &field.product(&self.a, &field.product(&zz, &zz)));
        let x = field.difference(&field.product(&slope, &slope), &twice(&four_xyy));
        let yyyy = twice(&twice(&twice(&field.product(&yy, &yy))));
        let y = field.difference(&field.product(&slope, &field.difference(&four_xyy, &x)), &yyyy);
        let z = twice(&field.product(&point.y, &point.z));
        Point { x, y, z }
    }

    /// "add-1998-cmo-2" with the second point's z = 1.
    fn plus(&self, point: &Point, base: &Point) -> Point {
        if is_zero(&point.z) {
            return base.clone();
        }
        let field = self.field;
        let zz = field.product(&point.z, &point.z);
        let scaled_x = field.product(&base.x, &zz);
        let scaled_y = field.product(&base.y, &field.product(&zz, &point.z));
        let run = field.difference(&scaled_x, &point.x);
        let rise = field.difference(&scaled_y, &point.y);
        if is_zero(&run) && is_zero(&rise) {
            return self.doubled(point);
        }
        let hh = field.product(&run, &run);
        let hhh = field.product(&hh, &run);
        let offset = field.product(&point.x, &hh);
        let x = field.difference(
            &field.difference(&field.product(&rise, &rise), &hhh),
            &field.sum(&offset, &offset),
        );
        let y = field.difference(
            &field.product(&rise, &field.difference(&offset, &x)),
            &field.product(&point.y, &hhh),
        );
        Point { x, y, z: field.product(&point.z, &run) }
    }
}

/// The key of a curve whose private number is 1.
#[cfg(test)]
pub(super) fn smallest(name: &str) -> (Vec<u8>, Vec<u8>) {
    let curve = CURVES.iter().find(|curve| curve.name == name).unwrap();
    let big = |limbs: &[u64]| -> Vec<u8> {
        limbs.iter().rev().flat_map(|limb| limb.to_be_bytes()).collect()
    };
    let mut scalar = vec![0; curve.prime.len().saturating_mul(8)];
    *scalar.last_mut().unwrap() = 1;
    (scalar, [vec![4], big(curve.base[0]), big(curve.base[1])].concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 0x1234567890abcdef1234567890abcdef times the base point, by plain arithmetic in another language.
    const MULTIPLES: [(&str, [&[u64]; 2]); 3] = [
        (
            "P-256",
            [
                &[
                    0xffec_0a29_819d_8c65,
                    0xa50e_42d5_7a08_a116,
                    0xd923_24d0_99d9_27c1,
                    0xf9eb_e464_147c_c102,
                ],
                &[
                    0x1c93_8493_0d4b_7eee,
                    0x3c85_9ab6_9bf8_e943,
                    0x6a0c_1d67_add1_0312,
                    0x70ba_f7d1_2888_902a,
                ],
            ],
        ),
        (
            "P-384",
            [
                &[
                    0xefba_21f4_4b62_5b48,
                    0x0ec0_9731_5adf_6afd,
                    0x74de_9194_355f_cfb4,
                    0xebfd_52c5_f9ea_97be,
                    0xf1a9_03ea_fef0_3095,
                    0xbfd1_5246_5458_e5b9,
                ],
                &[
                    0x7f5c_219d_31b8_e245,
                    0x89c4_e74c_918d_c3a7,
                    0x5816_4d8c_fc04_02b4,
                    0xec76_aec5_44f7_a56d,
                    0xa467_5e9c_730c_b028,
                    0x1705_8eff_9a1a_d175,
                ],
            ],
        ),
        (
            "secp256k1",
            [
                &[
                    0xdf50_2b61_290b_bf5e,
                    0x094c_5336_0368_7850,
                    0x911b_f9e8_c067_bcf6,
                    0x9377_c312_145a_5afb,
                ],
                &[
                    0xcaf6_144b_6797_79fb,
                    0xdc7b_b61e_3ab5_27ce,
                    0x2dcc_cb17_6e7c_8f9b,
                    0x742b_a607_d6ae_1fc8,
                ],
            ],
        ),
    ];

    #[test]
    fn pairs_and_what_is_none() {
        for (name, [x, y]) in MULTIPLES {
            let (mut scalar, base) = smallest(name);
            assert_eq!(is_pair(name, &scalar, &base), Some(true), "{name}: 1");
            let size = scalar.len();
            let word = 0x1234_5678_90ab_cdef_u64.to_be_bytes();
            scalar[size - 16..].copy_from_slice(&[word, word].concat());
            let big = |limbs: &[u64]| -> Vec<u8> {
                limbs.iter().rev().flat_map(|limb| limb.to_be_bytes()).collect()
            };
            let mut point = [vec![4], big(x), big(y)].concat();
            assert_eq!(is_pair(name, &scalar, &point), Some(true), "{name}");
            assert_eq!(is_pair(name, &scalar, &[&[2], &point[1..=size]].concat()), Some(true));
            assert_eq!(is_pair(name, &scalar, &base), Some(false), "{name}: another key's point");
            point[2 * size] ^= 1;
            assert_eq!(is_pair(name, &scalar, &point), Some(false), "{name}: another y");
            scalar.fill(0);
            assert_eq!(is_pair(name, &scalar, &base), Some(false), "{name}: 0");
            assert_eq!(is_pair(name, &scalar[1..], &base), Some(false), "{name}: too short");
        }
        assert_eq!(is_pair("P-521", &[1; 66], &[4; 133]), None);
        assert_eq!(is_pair("P-256", &[1; 32], &[]), None);
    }
}

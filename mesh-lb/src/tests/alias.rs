#![allow(clippy::cast_precision_loss, reason = "small numbers in tests")]

use super::*;

#[test]
fn the_mass_of_each_host_in_an_alias_table_is_its_share() {
    // LB-TEST-07: within 2^-31
    for weights in
        [vec![1, 2, 3], vec![1, u32::MAX - 1], (1..=100).collect(), vec![7; 3], vec![1, 1, 1, 1_000_000]]
    {
        let table = AliasTable::new(&weights).unwrap();
        let mut mass = vec![0_u64; weights.len()];
        for (at, cell) in table.cells.iter().enumerate() {
            assert_eq!(usize::from(cell.own), at);
            mass[at] += u64::from(cell.keep);
            mass[usize::from(cell.alias)] += (1 << 32) - u64::from(cell.keep);
        }
        let sum: f64 = weights.iter().copied().map(f64::from).sum();
        for (mass, &weight) in mass.iter().zip(&weights) {
            let found = *mass as f64 / (weights.len() as f64 * 2_f64.powi(32));
            assert!((found - f64::from(weight) / sum).abs() < 2_f64.powi(-31), "{weights:?}: {found}");
        }
    }
}

#[test]
fn what_cannot_be_drawn_from_has_no_table() {
    assert!(AliasTable::new(&[]).is_none());
    assert!(AliasTable::new(&[0, 0]).is_none());
    assert_eq!(AliasTable::new(&[0, 5]).and_then(|table| table.choose(0)), Some(1)); // half a cell is not kept
}

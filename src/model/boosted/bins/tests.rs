//! Tests of bins: any column, any values.

use proptest::prelude::*;

use super::*;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn bins_keep_values_and_hide_few_patients(
        values in proptest::collection::vec(prop_oneof![
            4 => (-50i32..50).prop_map(|x| x as f32 / 4.0),
            3 => any::<f32>(),
            1 => Just(f32::NAN),
        ], 2..900),
        per_patient in 1u32..5,
    ) {
        let mut matrix = Matrix::with_capacity(1, values.len());
        values.iter().for_each(|value| matrix.push(&[*value]));
        let rows: Vec<usize> = (0..values.len()).collect();
        let patients: Vec<u32> = (0..values.len() as u32).map(|row| row / per_patient).collect();
        let binned = Binned::new(&matrix, &[0], &rows, &patients).unwrap();
        let bins = &binned.bins()[0];
        prop_assert!(bins.cuts.len() < 255 && bins.cuts.windows(2).all(|two| two[0] < two[1]));
        let mut held = vec![Vec::new(); bins.cells()];
        for (row, code) in binned.codes(0).iter().enumerate() {
            let (code, value) = (usize::from(*code), values[row].clamp(f32::MIN, f32::MAX));
            held[code].push(patients[row]);
            if value.is_nan() {
                prop_assert_eq!(code, bins.cuts.len() + 1);
                continue;
            }
            for (place, cut) in bins.cuts.iter().enumerate() {
                prop_assert_eq!(value <= *cut, code <= place);
            }
        }
        held.pop();
        for mut patients in held {
            patients.dedup();
            prop_assert!(patients.len() >= SMALL_CELL_PATIENTS || bins.cuts.is_empty());
        }
    }
}

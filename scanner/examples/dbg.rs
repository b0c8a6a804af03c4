use cryoscan::scan::*;
fn main() {
    let t = std::env::args().nth(1).unwrap();
    let s = Settings { show_secrets: true, grep: vec![], threads: 1, ..Settings::default() };
    let mut n = 0;
    scan(&[Target::Path(t.into())], &s, &Progress::default(), &mut |r| {
        if let cryoscan::report::Record::Finding(f) = &r { n += 1; println!("{} {} {:?} {:?}", f.rule.id, f.count, f.secret.as_ref().map(|s| s.length), f.fingerprint); }
        Ok(())
    }).unwrap();
    println!("{n}");
}

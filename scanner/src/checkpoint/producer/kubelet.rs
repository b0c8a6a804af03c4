//! The kubelet's names of archives: `checkpoint-POD_NAMESPACE-CONTAINER-TIME.tar`. Only the time can
//! be told apart, since the names may hold hyphens too.

/// When the kubelet asked for the checkpoint that lies at a path, in UTC.
pub(super) fn written(location: &str) -> Option<String> {
    location.rsplit(['/', '!']).find_map(time)
}

fn time(name: &str) -> Option<String> {
    let (stem, _) = name.strip_prefix("checkpoint-")?.rsplit_once(".tar")?;
    // 2026-11-21T02:15:07Z, or with +08:00 at its end.
    let times = stem.match_indices('-').filter_map(|(at, _)| stem.get(at.saturating_add(1)..));
    let is_time = |text: &&str| (20..=35).contains(&text.len()) && text.contains('T');
    let time = times.filter(is_time).find_map(|text| text.parse::<jiff::Timestamp>().ok())?;
    Some(time.to_string())
}

#[cfg(test)]
mod tests {
    use super::written;

    #[test]
    fn the_time_at_the_end_of_the_name() {
        for (path, expected) in [
            ("/k/checkpoint-a_b-c-2026-11-21T02:15:07Z.tar", Some("2026-11-21T02:15:07Z")),
            (
                "checkpoint-a-b_c-d-e-2026-11-21T10:15:07+08:00.tar.zst",
                Some("2026-11-21T02:15:07Z"),
            ),
            ("checkpoint-a_b-c-2026-11-20T21:15:07-05:00.tar", Some("2026-11-21T02:15:07Z")),
            (
                "/n/checkpoint-a_b-c-2026-11-21T02:15:07Z.tar!checkpoint",
                Some("2026-11-21T02:15:07Z"),
            ),
            ("/k/checkpoint-a_b-c-2026-11-21.tar", None),
            ("/k/checkpoint-a_b-c-2026-13-41T02:15:07Z.tar", None),
            ("/k/backup-2026-11-21T02:15:07Z.tar", None),
            ("/k/checkpoint-2026-11-21T02:15:07Z", None),
            ("", None),
        ] {
            assert_eq!(written(path).as_deref(), expected, "{path}");
        }
    }
}

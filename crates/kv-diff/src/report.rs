use crate::op::Op;
use crate::pair::Difference;

/// More of an answer is not shown.
const SHOWN_CHARACTERS: usize = 3000;

/// Shows a difference: the smaller case if one was found, otherwise the last steps of the script.
pub(crate) fn print(
    script_number: u64,
    script: &[Op],
    difference: &Difference,
    shrunk: Option<(Vec<Op>, Difference)>,
) {
    match shrunk {
        Some((steps, difference)) => {
            println!(
                "difference in script {script_number}, shrunk to {} steps:",
                steps.len()
            );
            show(&steps, &difference);
        }
        None => {
            println!(
                "difference in script {script_number}, only after the scripts before it; its last steps:"
            );
            let steps = &script[difference.step.saturating_sub(5)..=difference.step];
            show(steps, difference);
        }
    }
}

/// Shows steps and the two answers to the last.
pub(crate) fn show(steps: &[Op], difference: &Difference) {
    for step in steps {
        println!("  {}", cut(step.to_string()));
    }
    println!("  etcd: {}", cut(format!("{:?}", difference.etcd)));
    println!("  kvd:  {}", cut(format!("{:?}", difference.kvd)));
}

fn cut(mut text: String) -> String {
    if let Some((place, _)) = text.char_indices().nth(SHOWN_CHARACTERS) {
        text.truncate(place);
        text.push('…');
    }
    text
}

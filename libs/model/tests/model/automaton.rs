//! A pure rule over few states, written out as a table: every state it can get to from the first ones, and
//! what every input does there. The rule itself is asked once for each entry; a composition of several such
//! tables then costs next to nothing a step.

/// What every input does in every state. Both are known by their numbers.
#[derive(Debug)]
pub(crate) struct Table<O> {
    rows: Vec<Vec<Entry<O>>>,
}

/// What an input does in a state.
#[derive(Debug)]
pub(crate) struct Entry<O> {
    pub(crate) next: u16,
    pub(crate) output: O,
}

/// Writes a rule out. The first states have the first numbers, in their order.
pub(crate) fn explore<S: PartialEq, I, O>(
    first: Vec<S>,
    inputs: &[I],
    rule: impl Fn(&S, &I) -> (S, O),
) -> (Vec<S>, Table<O>) {
    let (mut states, mut rows) = (first, Vec::new());
    while let Some(from) = states.get(rows.len()) {
        let decided: Vec<(S, O)> = inputs.iter().map(|input| rule(from, input)).collect();
        let row = decided.into_iter().map(|(to, output)| Entry { next: number(&mut states, to), output });
        rows.push(row.collect());
    }
    (states, Table { rows })
}

fn number<S: PartialEq>(states: &mut Vec<S>, state: S) -> u16 {
    let number = states.iter().position(|known| *known == state).unwrap_or_else(|| {
        states.push(state);
        states.len() - 1
    });
    u16::try_from(number).expect("the rule has few states")
}

impl<O> Table<O> {
    pub(crate) fn entry(&self, state: u16, input: usize) -> &Entry<O> {
        &self.rows[usize::from(state)][input]
    }

    /// All entries, each with the numbers of its state and of its input.
    pub(crate) fn entries(&self) -> impl Iterator<Item = (usize, usize, &Entry<O>)> {
        let numbered = |(state, row)| {
            let row: &Vec<Entry<O>> = row;
            row.iter().enumerate().map(move |(input, entry)| (state, input, entry))
        };
        self.rows.iter().enumerate().flat_map(numbered)
    }

    /// The same moves with other outputs.
    pub(crate) fn map<P>(self, mut of: impl FnMut(usize, O) -> P) -> Table<P> {
        let row = |row: Vec<Entry<O>>| {
            let entries = row.into_iter().enumerate();
            entries.map(|(input, Entry { next, output })| Entry { next, output: of(input, output) }).collect()
        };
        Table { rows: self.rows.into_iter().map(row).collect() }
    }

    /// How far each state is from the beginning on the longest way: every move to another state raises it.
    /// None where a state that was left can come back.
    pub(crate) fn heights(&self) -> Option<Vec<u32>> {
        let mut heights = vec![0; self.rows.len()];
        for _ in 0..=self.rows.len() {
            let mut is_settled = true;
            for (from, _, entry) in self.entries() {
                let to = usize::from(entry.next);
                if to != from && heights[to] <= heights[from] {
                    heights[to] = heights[from] + 1;
                    is_settled = false;
                }
            }
            if is_settled {
                return Some(heights);
            }
        }
        None
    }
}

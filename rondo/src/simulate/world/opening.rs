//! How the world is before the first order: everybody runs, stock and money are in their place, users are
//! known.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::rc::Rc;

use billing::commands::Call;
use billing::commands::deposit::Deposit;
use contracts::user::{Locale, ProfileChanged, UserRegistered};
use contracts::{Amount, EventData};
use messaging::Item;
use messaging::simulation::Message;
use stock::commands::put_position::PutPosition;

use super::{Event, House, Mode, Outside, Process, Script, Sight, World, hold_life, skews};
use crate::simulate::clock::{Agenda, Clock, MILLISECOND, SECOND, at};
use crate::simulate::dice::Dice;
use crate::simulate::faults::Faults;
use crate::simulate::ids::Ids;
use crate::simulate::invariants::steps::Watch;
use crate::simulate::managed::ORCHESTRATOR;
use crate::simulate::parts::{Cast, Databases, Stage};
use crate::simulate::people::{DEPOSITED, ON_HAND, People};
use crate::simulate::road::Road;
use crate::simulate::service::{LOOPS, Lane, Origin, PATIENT, PROCESSES, PROMPT, Progress};

impl World {
    pub(super) fn open(script: Script, cast: fn(&Stage) -> Cast) -> Self {
        let (dice, clock, databases) = (Dice::new(script.seed), Clock::default(), Databases::default());
        let ids = Ids::new(clock.clone(), dice);
        let stage = Stage {
            databases: databases.clone(),
            clock: clock.clone(),
            ids: ids.clone(),
            hold_life: hold_life(dice),
            skews: skews(dice),
        };
        let Cast { parts, managed, pauses } = cast(&stage);
        let end = if script.mode == Mode::Safety { i64::MAX } else { super::CALM_AFTER };
        let (people, began) = (People::new(dice), at(0));
        let wishes = script.orders.iter().map(|number| (*number, people.wish(*number, began))).collect();
        let mut world = Self {
            faults: Faults::new(dice, script.strikes.clone(), end),
            script,
            dice,
            clock,
            ids,
            agenda: Agenda::new(),
            road: Road::default(),
            services: Vec::new(),
            outside: Vec::new(),
            houses: Vec::new(),
            managed,
            databases,
            known_pauses: pauses,
            pauses: Vec::new(),
            watch: Watch::default(),
            wishes,
            accepted: BTreeSet::new(),
            begun_with: HashMap::new(),
            arrived_in: HashMap::new(),
            events_stream: 1,
            publishing: 0,
            expected: 0,
            is_calm: false,
            sight: Sight { sent: BTreeSet::new(), endings: BTreeMap::new(), ..Sight::default() },
        };
        for part in parts {
            world.move_in(part.house, part.sources, part.service);
        }
        world.stock_up();
        world.watch = Watch::over(&world.databases);
        world.first_plans();
        world
    }

    fn move_in(
        &mut self,
        name: &'static str,
        sources: Vec<messaging::Source>,
        service: Box<dyn crate::simulate::service::Service>,
    ) {
        let index = self.services.len();
        let house = self.houses.iter().position(|house| house.name == name).unwrap_or_else(|| {
            let processes = [Process::default(); PROCESSES];
            self.houses.push(House { name, services: Vec::new(), processes });
            self.houses.len() - 1
        });
        self.houses[house].services.push(index);
        self.road.add(index, sources);
        self.services.push(service);
        self.outside.push(Outside {
            house,
            waiting_since: [[None; LOOPS]; PROCESSES],
            is_planned: [[false; LOOPS]; PROCESSES],
            conflicts: [[0; LOOPS]; PROCESSES],
        });
    }

    pub(super) fn service_named(&self, name: &str) -> usize {
        self.services.iter().position(|service| service.name() == name).unwrap_or_default()
    }

    /// Positions and money are there before anything is watched.
    fn stock_up(&mut self) {
        let stock = self.service_named("stock");
        for (position_id, price) in People::positions() {
            let put = PutPosition { position_id, name: "tea".to_owned(), price, on_hand: ON_HAND };
            self.services[stock].put(0, Origin::Own, 0, Box::new(stock::Input::PutPosition(put)));
        }
        let billing = self.service_named("billing");
        for (number, user_id) in (0..).zip(People::users()) {
            let amount = Amount::new(DEPOSITED).expect("it is above zero");
            let entry_id = self.ids.of("deposit", number);
            let call = Call::Deposit(Deposit { entry_id, user_id, amount, key: None });
            self.services[billing].put(0, Origin::Own, 0, Box::new(billing::Input::Call(call)));
        }
        for service in [stock, billing] {
            let lane = Lane { process: 0, patience: PROMPT };
            self.services[service].begin(lane, usize::MAX);
            while !matches!(self.services[service].go_on(lane), Progress::Committed(_)) {}
            self.services[service].release(lane);
        }
    }

    fn first_plans(&mut self) {
        for house in 0..self.houses.len() {
            for process in 0..PROCESSES {
                self.start_clocks(house, process);
            }
        }
        self.agenda.plan(SECOND, Event::Weather);
        if self.script.mode == Mode::Liveness {
            self.agenda.plan(super::CALM_AFTER, Event::Calm);
        }
        let placed: Vec<(u64, i64)> = self.wishes.iter().map(|(number, wish)| (*number, wish.at)).collect();
        for (number, at) in placed {
            self.expect(at, Event::Place { number, asking: 0 });
        }
        for (number, user_id) in (0..).zip(People::users()) {
            let email = format!("user{number}@example.org");
            let registered = UserRegistered { user_id, email, name: None, locale: Locale::En };
            self.tell(&registered.into());
            let address = Some("Tomsk".to_owned());
            self.tell(&ProfileChanged { user_id, locale: Locale::Ru, address }.into());
        }
    }

    /// The clocks of a process that has just started.
    pub(super) fn start_clocks(&mut self, house: usize, process: usize) {
        let life = self.houses[house].processes[process].life;
        let offset = self.between(0, SECOND, "clock", (house * PROCESSES + process) as u64);
        if self.houses[house].name == ORCHESTRATOR {
            self.plan(offset, Event::Sweep { process, life });
        }
        let first = self.houses[house].services[0];
        self.plan(offset + 2 * SECOND, Event::Relay { service: first, process, life });
        for service in self.houses[house].services.clone() {
            for patience in [PROMPT, PATIENT] {
                let lane = Lane { process, patience };
                self.plan(MILLISECOND, Event::Look(super::Running { service, lane, life }));
            }
        }
    }

    /// An event of somebody who is no part of this.
    fn tell(&mut self, event: &EventData) {
        let now = self.clock.now().to_rfc3339();
        let id = self.ids.next();
        let item = Item::of_event("user", event.event_type, id, event.about, &now, &*event.data);
        let payload = serde_json::to_vec(&[item]).expect("an item always has a JSON form");
        let subject = event.event_type.to_owned();
        self.put_on_road(&Rc::new(Message { subject, payload: payload.into(), items: 1 }));
    }
}

// Draws the main panels with the real data of a Prometheus, as SVG for docs/: the last minutes, or those before a time.
// `node grafana/draw.mjs [http://127.0.0.1:9090] [docs/pictures] [10] [2026-11-22T05:05:00Z]`
import { mkdirSync, writeFileSync } from "node:fs";
import { dashboards } from "./panels.mjs";

const [prometheus = "http://127.0.0.1:9090", folder = "docs/pictures", minutes = "10", until] = process.argv.slice(2);
const drawn = {
    sagas: ["Finished", "Turned back", "Open by phase", "Until decided", "Whom to blame: the parts of a step's way"],
    services: ["Rate by service"],
    messages: ["Pending", "Loop stages"],
    business: ["Orders"],
};
const POINTS = 120;
const [WIDTH, HEIGHT, LEFT, TOP, BOTTOM, RIGHT] = [780, 300, 80, 34, 24, 220];
const COLOURS = ["#3366cc", "#dc3912", "#ff9900", "#109618", "#990099", "#0099c6", "#dd4477", "#66aa00", "#b82e2e", "#316395"];
const SERIES_MAX = COLOURS.length;

const escape = (text) => text.replace(/[&<>"]/g, (character) => `&#${character.charCodeAt(0)};`);
const named = (legend, metric) => legend.replace(/{{(\w+)}}/g, (_, label) => metric[label] ?? "");

// A number as people read it, in the panel's unit.
const shown = (value, unit) => {
    const short = (number) => Number(number.toPrecision(3)).toLocaleString("en");
    if (value === 0) return "0";
    if (unit === "s") return value < 1 ? `${short(value * 1000)} ms` : `${short(value)} s`;
    if (unit === "percentunit") return `${short(value * 100)} %`;
    if (unit === "ops" || unit === "reqps") return `${short(value)}/s`;
    if (unit === "opm") return `${short(value)}/min`;
    return short(value);
};

// Where lines of the grid lie: round numbers, the last above everything.
const evenGrid = (highest) => {
    const rough = highest / 4;
    const power = 10 ** Math.floor(Math.log10(rough));
    const step = power * [1, 2, 2.5, 5, 10].find((round) => round * power >= rough);
    return Array.from({ length: Math.ceil(highest / step - 1e-9) + 1 }, (_, index) => index * step);
};
const powersOfTen = (lowest, highest) => {
    const [from, to] = [Math.floor(Math.log10(lowest)), Math.ceil(Math.log10(highest))];
    return Array.from({ length: to - from + 1 }, (_, index) => 10 ** (from + index));
};

const read = async ([expr, legend]) => {
    const end = Math.floor((until ? Date.parse(until) : Date.now()) / 1000);
    const start = end - 60 * Number(minutes);
    const query = expr.replaceAll("$__rate_interval", "1m").replaceAll("$service", ".+");
    const asked = new URLSearchParams({ query, start, end, step: (end - start) / POINTS });
    const answer = await (await fetch(`${prometheus}/api/v1/query_range?${asked}`)).json();
    if (answer.status !== "success") throw new Error(`${expr}: ${answer.error}`);
    return answer.data.result.map(({ metric, values }) => ({
        name: named(legend, metric),
        points: values.map(([at, value]) => [at, Number(value)]).filter(([, value]) => Number.isFinite(value)),
    }));
};

// The largest first, and no more than can be told apart.
const chosen = (series) => {
    const size = ({ points }) => points.reduce((sum, [, value]) => sum + value, 0);
    const told = series.filter(({ points }) => points.length > 1);
    const moved = told.filter((one) => size(one) > 0);
    return (moved.length > 0 ? moved : told).sort((a, b) => size(b) - size(a)).slice(0, SERIES_MAX);
};

// Full minutes, at most ten of them.
const minutesBetween = (from, to) => {
    const step = 60 * Math.ceil((to - from) / 600);
    const first = step * Math.ceil(from / step);
    return Array.from({ length: Math.floor((to - first) / step) + 1 }, (_, index) => first + step * index);
};

const svg = (panel, series) => {
    const points = series.flatMap((one) => one.points);
    const [from, to] = [Math.min(...points.map(([at]) => at)), Math.max(...points.map(([at]) => at))];
    const values = points.map(([, value]) => value).filter((value) => value > 0);
    const [lowest, highest] = [Math.min(...values, Infinity), Math.max(...values, 0) || 1];
    // Milliseconds on a good day and minutes on a bad one: both are to be seen.
    const isLog = panel.unit === "s" && !panel.stack && highest / lowest > 100;
    const ticks = isLog ? powersOfTen(lowest, highest) : evenGrid(highest);
    const scale = isLog ? (value) => Math.log10(Math.max(value, ticks[0])) : (value) => value;
    const [bottom, top] = [scale(ticks[0]), scale(ticks.at(-1))];
    const plot = { width: WIDTH - LEFT - RIGHT, height: HEIGHT - TOP - BOTTOM };
    const x = (at) => (LEFT + (plot.width * (at - from)) / (to - from || 1)).toFixed(1);
    const y = (value) => (TOP + plot.height * (1 - (scale(value) - bottom) / (top - bottom))).toFixed(1);
    const text = (at, line, words, more = "") => `<text x="${at}" y="${line}" ${more}>${escape(words)}</text>`;
    const grid = ticks.map((tick) => {
        const line = `<line x1="${LEFT}" x2="${LEFT + plot.width}" y1="${y(tick)}" y2="${y(tick)}" stroke="#ddd"/>`;
        return line + text(LEFT - 6, Number(y(tick)) + 4, shown(tick, panel.unit), 'text-anchor="end"');
    });
    const lines = series.map(({ name, points: own }, index) => {
        const path = own.map(([at, value]) => `${x(at)},${y(value)}`).join(" ");
        const colour = COLOURS[index];
        const mark = `<rect x="${LEFT + plot.width + 12}" y="${TOP + 18 * index}" width="10" height="10" fill="${colour}"/>`;
        const line = `<polyline points="${path}" fill="none" stroke="${colour}" stroke-width="1.5"/>`;
        return line + mark + text(LEFT + plot.width + 28, TOP + 9 + 18 * index, name.slice(0, 32));
    });
    const clock = (at) => new Date(at * 1000).toISOString().slice(11, 16);
    return [
        `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" font-family="sans-serif" font-size="11">`,
        `<rect width="${WIDTH}" height="${HEIGHT}" fill="white"/>`,
        text(LEFT, 20, panel.title + (isLog ? " (logarithmic)" : ""), 'font-size="14" font-weight="bold"'),
        ...grid,
        ...minutesBetween(from, to).map((at) => text(x(at), HEIGHT - 6, clock(at), 'text-anchor="middle"')),
        text(LEFT + plot.width + 24, HEIGHT - 6, "UTC"),
        ...lines,
        "</svg>\n",
    ].join("\n");
};

mkdirSync(folder, { recursive: true });
for (const [name, titles] of Object.entries(drawn)) {
    const { panels } = dashboards.find((dashboard) => dashboard.name === name);
    for (const title of titles) {
        const panel = panels.find((candidate) => candidate.title === title);
        const series = chosen((await Promise.all(panel.queries.map(read))).flat());
        const file = `${folder}/${name}-${title.toLowerCase().replace(/'/g, "").replace(/[^a-z]+/g, "-")}.svg`;
        if (series.length === 0) throw new Error(`${name}: ${title} has nothing to show`);
        writeFileSync(file, svg(panel, series));
        console.log(file);
    }
}

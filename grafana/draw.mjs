// Draws the main panels with the real data of a Prometheus, as SVG for docs/:
// `node grafana/draw.mjs [http://127.0.0.1:9090] [docs/pictures] [minutes]`
import { mkdirSync, writeFileSync } from "node:fs";
import { dashboards } from "./panels.mjs";

const [prometheus = "http://127.0.0.1:9090", folder = "docs/pictures", minutes = "10"] = process.argv.slice(2);
const drawn = {
    sagas: ["Finished", "Turned back", "Open by phase", "Until decided", "Whom to blame: the parts of a step's way"],
    services: ["Rate by service", "Duration by service"],
    messages: ["Pending", "Loop stages", "Batch size"],
    business: ["Orders", "Revenue"],
    servers: ["Transactions", "Updates in place"],
};
const POINTS = 120;
const [WIDTH, HEIGHT, LEFT, TOP, BOTTOM, RIGHT] = [760, 300, 60, 34, 24, 220];
const COLOURS = ["#3366cc", "#dc3912", "#ff9900", "#109618", "#990099", "#0099c6", "#dd4477", "#66aa00", "#b82e2e", "#316395"];
const SERIES_MAX = COLOURS.length;

const escape = (text) => text.replace(/[&<>"]/g, (character) => `&#${character.charCodeAt(0)};`);
const named = (legend, metric) => legend.replace(/{{(\w+)}}/g, (_, label) => metric[label] ?? "");

// A number as people read it, in the panel's unit.
const shown = (value, unit) => {
    const short = (number) => Number(number.toPrecision(3)).toLocaleString("en");
    if (unit === "s") return value < 1 ? `${short(value * 1000)} ms` : `${short(value)} s`;
    if (unit === "percentunit") return `${short(value * 100)} %`;
    if (unit === "ops" || unit === "reqps") return `${short(value)}/s`;
    return short(value);
};

const read = async ([expr, legend]) => {
    const end = Math.floor(Date.now() / 1000);
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
    return series.filter(({ points }) => points.length > 1).sort((a, b) => size(b) - size(a)).slice(0, SERIES_MAX);
};

const svg = (panel, series) => {
    const points = series.flatMap((one) => one.points);
    const [from, to] = [Math.min(...points.map(([at]) => at)), Math.max(...points.map(([at]) => at))];
    const top = Math.max(...points.map(([, value]) => value)) || 1;
    const plot = { width: WIDTH - LEFT - RIGHT, height: HEIGHT - TOP - BOTTOM };
    const x = (at) => (LEFT + (plot.width * (at - from)) / (to - from || 1)).toFixed(1);
    const y = (value) => (TOP + plot.height * (1 - value / top)).toFixed(1);
    const text = (at, line, words, more = "") => `<text x="${at}" y="${line}" ${more}>${escape(words)}</text>`;
    const grid = [0, 0.25, 0.5, 0.75, 1].map((part) => {
        const line = `<line x1="${LEFT}" x2="${LEFT + plot.width}" y1="${y(part * top)}" y2="${y(part * top)}" stroke="#ddd"/>`;
        return line + text(LEFT - 6, Number(y(part * top)) + 4, shown(part * top, panel.unit), 'text-anchor="end"');
    });
    const lines = series.map(({ name, points: own }, index) => {
        const path = own.map(([at, value]) => `${x(at)},${y(value)}`).join(" ");
        const colour = COLOURS[index];
        const mark = `<rect x="${LEFT + plot.width + 12}" y="${TOP + 18 * index}" width="10" height="10" fill="${colour}"/>`;
        const line = `<polyline points="${path}" fill="none" stroke="${colour}" stroke-width="1.5"/>`;
        return line + mark + text(LEFT + plot.width + 28, TOP + 9 + 18 * index, name.slice(0, 30));
    });
    const clock = (at) => new Date(at * 1000).toISOString().slice(11, 16);
    return [
        `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" font-family="sans-serif" font-size="11">`,
        `<rect width="${WIDTH}" height="${HEIGHT}" fill="white"/>`,
        text(LEFT, 20, panel.title, 'font-size="14" font-weight="bold"'),
        ...grid,
        text(LEFT, HEIGHT - 6, clock(from)),
        text(LEFT + plot.width, HEIGHT - 6, `${clock(to)} UTC`, 'text-anchor="end"'),
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
        const file = `${folder}/${name}-${title.toLowerCase().replace(/[^a-z]+/g, "-")}.svg`;
        if (series.length === 0) throw new Error(`${name}: ${title} has nothing to show`);
        writeFileSync(file, svg(panel, series));
        console.log(file);
    }
}

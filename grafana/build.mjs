// Writes grafana/dashboards/*.json, of grafana/panels.mjs, and k8s/components/monitoring/rules.yaml, of
// grafana/alerts.yml: `node grafana/build.mjs`; with --check it only says whether they are as it would write them.
import { readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { dashboards } from "./panels.mjs";

const WIDTH = 24;
const HEIGHT = 8;
const folder = new URL("dashboards/", import.meta.url);
const alertsFile = new URL("alerts.yml", import.meta.url);
const RULES_HEAD = `# Written by \`node grafana/build.mjs\` of grafana/alerts.yml.
apiVersion: monitoring.coreos.com/v1
kind: PrometheusRule
metadata:
  name: rondo
  labels:
    app.kubernetes.io/name: rondo
    app.kubernetes.io/part-of: rondo
    app.kubernetes.io/managed-by: kustomize
    release: kube-prometheus-stack
`;
const source = { type: "prometheus", uid: "${datasource}" };

// A panel that spans `width` of the 24 columns, placed after the ones before it.
const place = (panels) => {
    let [x, y] = [0, 0];
    return panels.map((panel) => {
        const width = panel.width ?? 8;
        if (x + width > WIDTH) [x, y] = [0, y + HEIGHT];
        const gridPos = { x, y, w: width, h: HEIGHT };
        x += width;
        return gridPos;
    });
};

const target = (panel, [expr, legend], index) => ({
    refId: String.fromCharCode(65 + index),
    datasource: source,
    expr,
    legendFormat: panel.type === "heatmap" ? "{{le}}" : legend,
    editorMode: "code",
    range: panel.type !== "stat",
    instant: panel.type === "stat",
    ...(panel.type === "heatmap" ? { format: "heatmap" } : {}),
});

const options = {
    timeseries: { legend: { displayMode: "list", placement: "bottom" }, tooltip: { mode: "multi", sort: "desc" } },
    stat: { reduceOptions: { calcs: ["lastNotNull"] }, colorMode: "value", textMode: "value_and_name" },
    heatmap: { calculate: false, yAxis: { unit: "s" }, color: { mode: "scheme", scheme: "Oranges" } },
};

const panelJson = (panel, gridPos, id) => {
    const type = panel.type ?? "timeseries";
    const custom = { fillOpacity: panel.stack ? 40 : 10, showPoints: "never" };
    if (panel.stack) custom.stacking = { mode: "normal" };
    const defaults = { unit: panel.unit, min: 0, custom: type === "timeseries" ? custom : {} };
    if (panel.bad !== undefined) {
        const steps = [{ color: "green", value: null }, { color: "red", value: panel.bad }];
        defaults.thresholds = { mode: "absolute", steps };
        defaults.color = { mode: "thresholds" };
    }
    return {
        id,
        type,
        title: panel.title,
        description: panel.description,
        datasource: source,
        gridPos,
        fieldConfig: { defaults, overrides: [] },
        options: options[type],
        targets: panel.queries.map((query, index) => target({ ...panel, type }, query, index)),
    };
};

// `datasource` is asked for at an import (`__inputs`); where dashboards are provisioned it is the first there is.
const variables = ({ variables: own = [] }) => [
    {
        name: "datasource",
        label: "Data source",
        type: "datasource",
        query: "prometheus",
        current: { text: "${DS_PROMETHEUS}", value: "${DS_PROMETHEUS}" },
    },
    ...own.map(([name, label, metric]) => ({
        name,
        label,
        type: "query",
        datasource: source,
        query: { query: `label_values(${metric}, ${name})`, refId: name },
        definition: `label_values(${metric}, ${name})`,
        includeAll: true,
        multi: true,
        allValue: ".+",
        current: { text: ["All"], value: ["$__all"] },
        refresh: 2,
        sort: 1,
    })),
];

const dashboardJson = (dashboard) => {
    const places = place(dashboard.panels);
    return {
        __inputs: [
            {
                name: "DS_PROMETHEUS",
                label: "Prometheus",
                description: "The Prometheus that reads Rondo's /metrics",
                type: "datasource",
                pluginId: "prometheus",
                pluginName: "Prometheus",
            },
        ],
        __requires: [
            { type: "grafana", id: "grafana", name: "Grafana", version: "10.0.0" },
            { type: "datasource", id: "prometheus", name: "Prometheus", version: "1.0.0" },
        ],
        uid: `rondo-${dashboard.name}`,
        title: `Rondo: ${dashboard.title}`,
        description: dashboard.description,
        tags: ["rondo"],
        schemaVersion: 38,
        editable: true,
        graphTooltip: 1,
        refresh: "10s",
        time: { from: "now-30m", to: "now" },
        links: [{ title: "Rondo", type: "dashboards", tags: ["rondo"], asDropdown: true, keepTime: true }],
        templating: { list: variables(dashboard) },
        panels: dashboard.panels.map((panel, index) => panelJson(panel, places[index], index + 1)),
    };
};

// The alerts as the Prometheus operator wants them: the same lines, below `spec`.
const rulesYaml = (alerts) => {
    const groups = alerts.slice(alerts.indexOf("groups:"));
    const indented = groups.replace(/^(?=.)/gm, "  ");
    return `${RULES_HEAD}spec:\n${indented}`;
};

const written = [
    ...dashboards.map((dashboard) => [
        new URL(`${dashboard.name}.json`, folder),
        `${JSON.stringify(dashboardJson(dashboard), null, 2)}\n`,
    ]),
    [new URL("../k8s/components/monitoring/rules.yaml", import.meta.url), rulesYaml(readFileSync(alertsFile, "utf8"))],
];

const check = process.argv.includes("--check");
let stale = 0;
for (const [file, text] of written) {
    if (!check) {
        writeFileSync(file, text);
    } else if (readFileSync(file, "utf8") !== text) {
        console.error(`${fileURLToPath(file)} is stale: node grafana/build.mjs`);
        stale += 1;
    }
}
process.exit(stale === 0 ? 0 : 1);

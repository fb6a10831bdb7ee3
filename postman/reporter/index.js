// Shows every request and its response in full: start line, headers and body, secrets left out.
// Newman's own `--verbose` clips bodies and has no headers.
"use strict";

const MASK = "***";
const SECRET_HEADERS = new Set(["authorization", "proxy-authorization", "cookie", "set-cookie"]);
const SECRET_FIELDS = new Set(["password", "access_token", "refresh_token"]);

// Keeps the scheme of an Authorization header, which is no secret.
function headerLine({ key, value }) {
    if (!SECRET_HEADERS.has(key.toLowerCase())) return `${key}: ${value}`;
    const [scheme, ...credentials] = String(value).split(" ");
    return `${key}: ${credentials.length > 0 ? `${scheme} ${MASK}` : MASK}`;
}

// A body that is not JSON is shown as it is, unless it could hold a secret.
function bodyText(text) {
    try {
        return JSON.stringify(JSON.parse(text), (key, value) => (SECRET_FIELDS.has(key) ? MASK : value), 2);
    } catch {
        return [...SECRET_FIELDS].some((field) => text.includes(field)) ? MASK : text;
    }
}

function block(arrow, startLine, headers, text) {
    const lines = [startLine, ...headers.all().map(headerLine)];
    if (text) lines.push("", ...bodyText(text).split("\n"));
    return lines.map((line) => `  ${arrow} ${line}`.trimEnd()).join("\n");
}

module.exports = function ExchangeReporter(emitter) {
    emitter.on("request", (error, { request, response }) => {
        const body = request.body ? request.body.toString() : "";
        console.log(block(">", `${request.method} ${request.url}`, request.headers, body));
        if (error || !response) return console.log(`  < no response: ${error ? error.message : "unknown"}\n`);
        console.log(`${block("<", `${response.code} ${response.reason()}`, response.headers, response.text())}\n`);
    });
};

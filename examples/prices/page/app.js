// Live prices. The page subscribes to every symbol; the router decides which of them this user may see.

import {Wamp} from "/wamp.js";
import {at, choose, make, showState} from "/page.js";

const KEPT = 180;
const SVG = "http://www.w3.org/2000/svg";
const LOCK = "M6 9V7a4 4 0 0 1 8 0v2m-9 0h10v8H5z";
const stocks = new Map();
let wamp, current, events = 0;

const money = (price) => price.toFixed(2);
const percent = (stock) => (stock.prices.at(-1) / stock.prices[0] - 1) * 100;

function drawn(kind, attributes) {
    const element = document.createElementNS(SVG, kind);
    for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
    return element;
}

// The points of a line through the prices, in a box of that size.
function points(prices, width, height) {
    const low = Math.min(...prices), span = Math.max(...prices) - low || 1;
    return prices.map((price, index) => [
        (width * index) / Math.max(prices.length - 1, 1), height - (height * (price - low)) / span,
    ]);
}

const path = (dots) => `M${dots.map(([x, y]) => `${x.toFixed(1)} ${y.toFixed(1)}`).join("L")}`;

// -- the list

function row(stock) {
    const inside = [make("span", {}, make("b", {}, stock.symbol), make("small", {class: "name"}, stock.name))];
    if (stock.prices.length) {
        const change = percent(stock), tone = change < 0 ? "down" : "up";
        const spark = drawn("svg", {viewBox: "0 0 74 26", class: `chartlet ${tone}`, "aria-hidden": "true"});
        spark.append(drawn("path", {class: "spark", d: path(points(stock.prices.slice(-60), 74, 24))}));
        inside.push(spark, make("span", {class: "figures"}, money(stock.prices.at(-1)),
            make("small", {class: tone}, `${change < 0 ? "−" : "+"}${Math.abs(change).toFixed(2)} %`)));
    } else {
        const lock = drawn("svg", {viewBox: "0 0 20 20", class: "lock", role: "img", "aria-label": "locked"});
        lock.append(drawn("path", {d: LOCK, fill: "none", stroke: "currentColor", "stroke-width": "1.6"}));
        inside.push(make("span"), lock);
    }
    stock.button.replaceChildren(...inside);
    stock.button.dataset.locked = String(!stock.prices.length);
}

function show(symbol) {
    current = symbol;
    for (const stock of stocks.values()) stock.button.setAttribute("aria-current", String(stock.symbol === symbol));
    const stock = stocks.get(symbol);
    at("name").textContent = stock.name;
    at("symbol").textContent = stock.symbol;
    at("refusal").hidden = !stock.refusal;
    at("refusal").textContent = stock.refusal ? `The router refuses: ${stock.refusal}.` : "";
    draw();
}

// -- the chart

function draw() {
    const {prices} = stocks.get(current), chart = at("chart"), figure = chart.parentElement;
    const known = prices.length > 1;
    const change = known ? percent(stocks.get(current)) : 0, tone = change < 0 ? "down" : "up";
    figure.className = known ? `chart ${tone}` : "chart";
    at("price").textContent = known ? money(prices.at(-1)) : "–";
    at("change").className = `change ${tone}`;
    at("change").textContent = known ? `${change < 0 ? "−" : "+"}${Math.abs(change).toFixed(2)} %` : "";
    at("high").textContent = known ? money(Math.max(...prices)) : "–";
    at("low").textContent = known ? money(Math.min(...prices)) : "–";
    at("average").textContent = known ? money(prices.reduce((sum, price) => sum + price, 0) / prices.length) : "–";
    at("shut").hidden = !stocks.get(current).refusal;
    const dots = known ? points(prices, 800, 360) : [];
    chart.querySelector(".line").setAttribute("d", known ? path(dots) : "");
    chart.querySelector(".area").setAttribute("d", known ? `${path(dots)}L800 360L0 360Z` : "");
    const steps = [0, 0.25, 0.5, 0.75, 1], box = chart.getBoundingClientRect();
    chart.querySelector(".grid").replaceChildren(...steps.map((step) => drawn(
        "line", {x1: 0, x2: 800, y1: 360 * step, y2: 360 * step},
    )));
    const high = Math.max(...prices), low = Math.min(...prices), scale = figure.querySelector(".scale");
    scale.replaceChildren(...(known ? steps : []).map((step) => {
        const item = make("li", {}, money(high - (high - low) * step));
        item.style.top = `${18 + box.height * step}px`;
        return item;
    }));
    const tip = figure.querySelector(".tip");
    tip.hidden = !known;
    if (known) {
        tip.style.left = `${18 + box.width}px`;
        tip.style.top = `${18 + (box.height * dots.at(-1)[1]) / 360}px`;
    }
}

// -- messages from the router

async function watch(stock) {
    if (stock.subscription) return;
    try {
        stock.subscription = await wamp.subscribe(`prices.live.${stock.symbol}`, ([price]) => {
            if (typeof price !== "number") return;
            stock.prices = [...stock.prices, price].slice(-KEPT);
            at("events").textContent = String(++events);
            row(stock);
            if (stock.symbol === current) draw();
        });
        stock.prices = await wamp.call(`prices.history.${stock.symbol}`);
        stock.refusal = "";
    } catch (error) {
        stock.refusal = error.message;
    }
    row(stock);
    if (stock.symbol === current) show(current);
}

function showPlan(plan) {
    at("plan").textContent = plan;
    at("upgrade").hidden = plan === "pro";
}

async function upgrade() {
    at("upgrade").disabled = true;
    try {
        showPlan(await wamp.call("prices.upgrade"));
        // Permissions are checked at SUBSCRIBE, so this page repeats the subscriptions that were denied.
        for (const stock of stocks.values()) await watch(stock);
    } finally {
        at("upgrade").disabled = false;
    }
}

async function joined() {
    showPlan(await wamp.call("prices.plan"));
    for (const {symbol, name} of await wamp.call("prices.symbols")) {
        if (!stocks.has(symbol)) {
            const button = make("button", {
                type: "button", class: "symbol", "data-testid": `symbol-${symbol}`, onclick: () => show(symbol),
            });
            at("symbols").append(make("li", {}, button));
            stocks.set(symbol, {symbol, name, button, prices: [], refusal: "", subscription: null});
        }
        const stock = stocks.get(symbol);
        stock.subscription = null;
        await watch(stock);
        if (!current) show(symbol);
    }
}

at("upgrade").onclick = upgrade;
addEventListener("resize", () => current && draw());
choose(["anna", "ben"], (user) => {
    wamp = new Wamp({realm: "market", user, state: showState, joined});
});

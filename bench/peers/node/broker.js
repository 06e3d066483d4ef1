// broker.js PORT PEM: a small broker of WAMP v1 and v2 on `ws`, such as a user could write in a day: topics, calls to one callee,
// no authentication, no authorization, no options but `acknowledge`. Plain on PORT, TLS on PORT + 1.
const fs = require("fs"), http = require("http"), https = require("https");
const { WebSocketServer, WebSocket, Sender } = require("ws");

const port = Number(process.argv[2]), pem = fs.readFileSync(process.argv[3]);
const topics = new Map(), procedures = new Map(), calls = new Map();
let identifier = 0;

function subscribe(session, name) {
  let topic = topics.get(name);
  if (!topic) topics.set(name, topic = { name, id: ++identifier, members: new Set() });
  topic.members.add(session);
  session.topics.add(topic);
  return topic;
}

function unsubscribe(session, topic) {
  topic.members.delete(session);
  session.topics.delete(topic);
  if (!topic.members.size) topics.delete(topic.name);
}

// As `ws` advises for a broadcast: the frame is made once, and the same bytes are written to each socket.
function publish(topic, message, except) {
  const parts = Sender.frame(Buffer.from(JSON.stringify(message)), { fin: true, opcode: 1, mask: false, readOnly: true, rsv1: false });
  const frame = Buffer.concat(parts);
  for (const { socket } of topic.members)
    if (socket !== except && socket.readyState === WebSocket.OPEN) socket._socket.write(frame);
}

function received1(session, [type, first, second, third]) {
  const topic = topics.get(first);
  switch (type) {
    case 5: subscribe(session, first); break;
    case 6: if (topic) unsubscribe(session, topic); break;
    case 7: if (topic) publish(topic, [8, first, second], third === true ? session.socket : null); break;
    case 2: session.send([4, first, "http://api.wamp.ws/error#generic", "not available"]); break;
  }
}

function received2(session, [type, request, options, name, args, keywords]) {
  switch (type) {
    case 1: session.send([2, ++identifier, { roles: { broker: {}, dealer: {} } }]); break;
    case 32: session.send([33, request, subscribe(session, `2 ${name}`).id]); break;
    case 16: {
      const topic = topics.get(`2 ${name}`), event = [36, topic?.id, ++identifier, {}];
      if (args) event.push(args);
      if (keywords) event.push(keywords);
      if (topic) publish(topic, event, session.socket);
      if (options.acknowledge) session.send([17, request, identifier]);
      break;
    }
    case 64: procedures.set(name, session); session.send([65, request, ++identifier]); break;
    case 48: {
      const callee = procedures.get(name);
      if (!callee) { session.send([8, 48, request, {}, "wamp.error.no_such_procedure"]); break; }
      calls.set(++identifier, [session, request]);
      callee.send([68, identifier, 1, {}, args ?? []]);
      break;
    }
    case 70: {
      const [caller, asked] = calls.get(request) ?? [];
      if (caller && calls.delete(request)) caller.send([50, asked, {}, name ?? []]);
      break;
    }
    case 6: session.send([6, {}, "wamp.close.goodbye_and_out"]); break;
  }
}

function connected(socket) {
  const session = { socket, topics: new Set(), send: (message) => socket.send(JSON.stringify(message)) };
  const received = socket.protocol === "wamp" ? received1 : received2;
  if (received === received1) session.send([0, `s${++identifier}`, 1, "broker"]);
  socket.on("message", (data) => received(session, JSON.parse(data)));
  socket.on("close", () => session.topics.forEach((topic) => unsubscribe(session, topic)));
  socket.on("error", () => {});
}

const handleProtocols = (offered) => ["wamp.2.json", "wamp"].find((one) => offered.has(one)) ?? false;
for (const [server, at] of [[http.createServer(), port], [https.createServer({ cert: pem, key: pem }), port + 1]]) {
  new WebSocketServer({ server, perMessageDeflate: false, handleProtocols }).on("connection", connected);
  server.listen({ host: "127.0.0.1", port: at, backlog: 1024 });
}

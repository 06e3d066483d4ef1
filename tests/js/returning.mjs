// A client that comes back by itself, as its library has it: it subscribes to a topic and registers a procedure, in its
// handler of "joined" where the library leaves that to the application, and never reloads.
//
//   node returning.mjs LIBRARY URL {"realm", "serializer", "uri": the topic; the procedure is the same with ".f" behind it}
//
// It says {joined: how often} and {event: the argument}.
import { createRequire } from 'node:module';
import WebSocket from 'ws';

const require = createRequire(import.meta.url);
const [library, url, optionsText] = process.argv.slice(2);
const { realm, serializer = 'json', uri } = JSON.parse(optionsText);
const say = (value) => process.stdout.write(JSON.stringify(value) + '\n');
console.log = console.warn = console.error = () => {};
process.on('uncaughtException', () => {});
process.on('unhandledRejection', () => {});
// As in browsers. Node's own tells nobody of a connection that could not be made, and autobahn would not try again.
globalThis.WebSocket = class extends WebSocket {
  constructor(...given) { super(...given); this.on('error', () => {}); }
};
let joined = 0;

/** What of a browser's XMLHttpRequest autobahn uses for long-poll. */
class Request {
  open(method, where) { Object.assign(this, { method, where, headers: {} }); }

  setRequestHeader(name, value) { this.headers[name] = value; }

  async send(body) {
    try {
      const answer = await fetch(this.where, { method: this.method, headers: this.headers, body });
      Object.assign(this, { status: answer.status, statusText: answer.statusText, responseText: await answer.text() });
    } catch (error) {
      Object.assign(this, { status: 0, statusText: String(error) });
    }
    this.readyState = 4;
    this.onreadystatechange();
  }
}

function autobahn() {
  const ab = require('autobahn');
  if (url.startsWith('http')) globalThis.XMLHttpRequest = Request;
  const serializers = { json: ab.serializer.JSONSerializer, msgpack: ab.serializer.MsgpackSerializer, cbor: ab.serializer.CBORSerializer };
  const [host, port] = url.replace('rs://', '').split(':');
  const way = url.startsWith('http') ? { transports: [{ type: 'longpoll', url }] }
    : url.startsWith('rs') ? { transports: [{ type: 'rawsocket', host, port: Number(port) }] } : { url };
  const connection = new ab.Connection({
    ...way, realm, serializers: [new serializers[serializer]()], max_retries: 100, initial_retry_delay: 0.2, max_retry_delay: 0.4,
  });
  connection.onopen = async (session) => {
    await session.subscribe(uri, (args) => say({ event: args[0] }));
    await session.register(`${uri}.f`, () => 'answer');
    say({ joined: ++joined });
  };
  connection.onclose = (reason, details) => { say({ closed: reason, again: details.will_retry }); return false; };
  connection.open();
}

async function wampy() {
  const { Wampy } = await import('wampy');
  const name = { json: 'JsonSerializer', msgpack: 'MsgpackSerializer', cbor: 'CborSerializer' }[serializer];
  const Serializer = (await import(`wampy/${name}.js`))[name];
  const client = new Wampy(url, {
    realm, ws: WebSocket, serializer: new Serializer(), autoReconnect: true, reconnectInterval: 300, maxRetries: 100,
    onClose: () => say({ closed: 'for good', again: false }),
    onReconnectSuccess: () => say({ joined: ++joined }),  // it renews what it had by itself
  });
  await client.connect();
  await client.subscribe(uri, (event) => say({ event: event.argsList[0] }));
  await client.register(`${uri}.f`, () => ({ argsList: ['answer'] }));
  say({ joined: ++joined });
}

({ autobahn, wampy })[library]();
setInterval(() => {}, 1000);
process.stdin.on('end', () => process.exit()).resume();

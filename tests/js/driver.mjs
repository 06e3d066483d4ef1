// Drives one of other people's WAMP clients from a test: one JSON command a line on standard input, one JSON answer a line
// on standard output. The same commands for every client, so that a test need not know which it talks to.
//
//   NODE_TLS_REJECT_UNAUTHORIZED=0 node driver.mjs LIBRARY URL [OPTIONS as JSON: realm, serializer, ticket, authid, origin]
//
// With the option "method" autobahn and wampy do wampcra ("secret") or cryptosign ("key"); "authmethods" are then offered
// instead of that method alone.
//
// Commands: {id, do: "subscribe"|"unsubscribe"|"publish"|"call"|"register"|"unregister"|"close", uri, args, kwargs, options}
// Answers:  {id, ok: value} or {id, error: uri, message}; events: {event: uri, args, kwargs}
import { createInterface } from 'node:readline';
import { createRequire } from 'node:module';
import WebSocket from 'ws';

const require = createRequire(import.meta.url);
const [library, url, optionsText] = process.argv.slice(2);
const options = JSON.parse(optionsText || '{}');

const say = (value) => process.stdout.write(JSON.stringify(value, (_, v) =>
  v instanceof Uint8Array ? { binary: Buffer.from(v).toString('hex') }
    : v && v.type === 'Buffer' ? { binary: Buffer.from(v.data).toString('hex') }
    : typeof v === 'bigint' ? Number(v) : v) + '\n');
const revive = (value) => value === null || typeof value !== 'object' ? value
  : Array.isArray(value) ? value.map(revive)
    : typeof value.binary === 'string' ? Buffer.from(value.binary, 'hex')
      : Object.fromEntries(Object.entries(value).map(([k, v]) => [k, revive(v)]));

/** What a procedure of the tests does: gives back what it got, or fails as it is told. */
function procedure(args, kwargs) {
  if (kwargs && kwargs.fail) return { error: kwargs.fail, args: args || [] };
  return { args: args || [], kwargs: kwargs || {} };
}

const offered = () => options.authmethods || (options.method ? [options.method] : options.ticket ? ['ticket'] : ['anonymous']);
const keyPair = () => require('tweetnacl').sign.keyPair.fromSeed(Buffer.from(options.key, 'hex'));
const publicKey = () => Buffer.from(keyPair().publicKey).toString('hex');

/** What of a browser's XMLHttpRequest autobahn uses for long-poll. */
class Request {
  open(method, url) { Object.assign(this, { method, url, headers: {} }); }

  setRequestHeader(name, value) { this.headers[name] = value; }

  async send(body) {
    try {
      const answer = await fetch(this.url, { method: this.method, headers: this.headers, body });
      Object.assign(this, { status: answer.status, statusText: answer.statusText, responseText: await answer.text() });
    } catch (error) {
      Object.assign(this, { status: 0, statusText: String(error) });
    }
    this.readyState = 4;
    this.onreadystatechange();
  }
}

/** Which transport a URL asks for: http means long-poll, rs RawSocket. */
function transports() {
  if (url.startsWith('http')) return { transports: [{ type: 'longpoll', url }] };
  if (!url.startsWith('rs')) return { url };
  const [host, port] = url.replace('rs://', '').split(':');
  return { transports: [{ type: 'rawsocket', host, port: Number(port) }] };
}

async function autobahn() {
  const ab = require('autobahn');
  if (url.startsWith('http')) globalThis.XMLHttpRequest = Request;
  const serializers = { json: ab.serializer.JSONSerializer, msgpack: ab.serializer.MsgpackSerializer, cbor: ab.serializer.CBORSerializer };
  const connection = new ab.Connection({
    ...transports(), realm: options.realm, max_retries: 0, tlsConfiguration: { rejectUnauthorized: false },
    serializers: [new serializers[options.serializer || 'json']()],
    authmethods: offered(), authid: options.authid,
    authextra: options.key ? { pubkey: publicKey(), trustroot: null, challenge: null, channel_binding: null } : undefined,
    onchallenge: (_, method, extra) => {
      if (method === 'ticket') return options.ticket;
      if (method === 'cryptosign') return ab.auth_cryptosign.sign_challenge(keyPair(), extra);
      const { salt, iterations, keylen } = extra;
      return ab.auth_cra.sign(salt ? ab.auth_cra.derive_key(options.secret, salt, iterations, keylen) : options.secret, extra.challenge);
    },
  });
  const session = await new Promise((resolve, reject) => {
    connection.onopen = resolve;
    connection.onclose = (reason, details) => { reject({ error: details.reason || reason, args: [details.message] }); return true; };
    connection.open();
  });
  const subscriptions = {}, registrations = {};
  return {
    session: session.id,
    subscribe: async (uri, o) => {
      const handler = (args, kwargs, details) => say({ event: details.topic || uri, args, kwargs });
      subscriptions[uri] = await session.subscribe(uri, handler, o);
    },
    unsubscribe: (uri) => session.unsubscribe(subscriptions[uri]),
    publish: async (uri, args, kwargs, o) => { const done = await session.publish(uri, args, kwargs, o); return done ? 'published' : null; },
    call: async (uri, args, kwargs, o) => {
      const result = await session.call(uri, args, kwargs, o);
      return result instanceof ab.Result ? { args: result.args, kwargs: result.kwargs } : { args: result === null ? [] : [result], kwargs: {} };
    },
    register: async (uri, o) => {
      registrations[uri] = await session.register(uri, (args, kwargs) => {
        const made = procedure(args, kwargs);
        if (made.error) throw new ab.Error(made.error, made.args);
        return new ab.Result(made.args, made.kwargs);
      }, o);
    },
    unregister: (uri) => session.unregister(registrations[uri]),
    close: () => connection.close(),
  };
}

async function wampy() {
  const { Wampy } = await import('wampy');
  const names = { json: 'JsonSerializer', msgpack: 'MsgpackSerializer', cbor: 'CborSerializer' };
  const name = names[options.serializer || 'json'];
  const Serializer = (await import(`wampy/${name}.js`))[name];
  const plugins = {
    wampcra: async () => (await import('wampy/wampcra.js')).sign(options.secret),
    cryptosign: async () => (await import('wampy/cryptosign.js')).sign(options.key),
  };
  const client = new Wampy(url, {
    realm: options.realm, ws: WebSocket, serializer: new Serializer(), autoReconnect: false, uriValidation: 'loose',
    wsRequestOptions: { rejectUnauthorized: false },
    ...(options.method ? {
      authid: options.authid, authmethods: offered(), authMode: 'auto', authextra: options.key ? { pubkey: publicKey() } : {},
      authPlugins: { [options.method]: await plugins[options.method]() },
    } : {}),
    ...(options.ticket ? { authid: options.authid, authmethods: ['ticket'], onChallenge: () => options.ticket } : {}),
  });
  const welcome = await client.connect();
  const subscriptions = {};
  const payload = (args, kwargs) => kwargs && Object.keys(kwargs).length ? { argsList: args || [], argsDict: kwargs } : args;
  return {
    session: welcome.session ?? client.getSessionId(),
    subscribe: async (uri, o) => {
      subscriptions[uri] = await client.subscribe(uri, (event) => {
        const details = event.details || {};
        say({ event: details.topic || uri, args: event.argsList, kwargs: event.argsDict });
      }, o);
    },
    unsubscribe: (uri) => client.unsubscribe(subscriptions[uri].subscriptionKey ?? subscriptions[uri].subscriptionId),
    publish: async (uri, args, kwargs, o) => { const done = await client.publish(uri, payload(args, kwargs), o); return done ? 'published' : null; },
    call: async (uri, args, kwargs, o) => {
      const result = await client.call(uri, payload(args, kwargs), o);
      return { args: result.argsList || [], kwargs: result.argsDict || {} };
    },
    register: (uri, o) => client.register(uri, (invocation) => {
      const made = procedure(invocation.argsList, invocation.argsDict);
      if (made.error) throw { error: made.error, details: {}, argsList: made.args, argsDict: {} };
      return { argsList: made.args, argsDict: made.kwargs };
    }, o).then(() => undefined),
    unregister: (uri) => client.unregister(uri).then(() => undefined),
    close: () => client.disconnect(),
  };
}

async function wamp1() {
  const Wamp = require('wamp1');
  const socket = new WebSocket(url, ['wamp'], { rejectUnauthorized: false, origin: options.origin || 'http://127.0.0.1' });
  // Listening before the socket is open: WELCOME comes in one piece with the end of the handshake.
  const client = await new Promise((resolve, reject) => {
    socket.once('error', (error) => reject({ error: 'handshake', args: [error.message] }));
    const made = new Wamp(socket, () => resolve(made));
  });
  client.on('error', (error) => say({ problem: error.message }));
  const handlers = {};
  return {
    session: client.sessionId,
    subscribe: async (uri) => { handlers[uri] = (event) => say({ event: uri, args: [event], kwargs: {} }); client.subscribe(uri, handlers[uri]); },
    unsubscribe: async (uri) => client.unsubscribe(uri, handlers[uri]),
    publish: async (uri, args, _, o) => client.publish(uri, args[0], ...(o && 'exclude' in o ? [o.exclude, o.eligible || []] : [])),
    call: (uri, args) => new Promise((resolve, reject) => client.call(uri, ...args, (error, result) =>
      error ? reject({ error: error.uri, args: [error.message] }) : resolve({ args: [result], kwargs: {} }))),
    prefix: async (prefix, uri) => client.prefix(prefix, uri),
    close: () => socket.close(),
  };
}

const describe = (error) => ({ error: error.error || error.errorUri || error.uri || error.name || 'unknown',
  message: String((error.args && error.args[0]) || error.message || (error.argsList && error.argsList[0]) || '') });

let client;
try {
  client = await { autobahn, wampy, wamp1 }[library]();
  say({ ready: client.session });
} catch (error) {
  say(describe(error));
  process.exit(1);
}
for await (const line of createInterface({ input: process.stdin })) {
  const { id, do: action, uri, args, kwargs, options: o } = JSON.parse(line);
  const parameters = {
    subscribe: [uri, o], register: [uri, o], unsubscribe: [uri], unregister: [uri], prefix: args,
    publish: [uri, revive(args), revive(kwargs), o], call: [uri, revive(args), revive(kwargs), o], close: [],
  }[action];
  // Not awaited: a call may wait for a registration made by the next line.
  Promise.resolve().then(() => client[action](...parameters)).then(
    (value) => say({ id, ok: value ?? null }),
    (error) => say({ id, ...describe(error) }),
  ).finally(() => { if (action === 'close') setTimeout(() => process.exit(0), 200); });
}

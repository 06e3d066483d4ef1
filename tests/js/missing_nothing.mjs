// A client in ten lines of autobahn-js that misses no event, whichever node of a router it comes back to.
//
// node missing_nothing.mjs URL REALM TOPIC prints the values of the events.

import autobahn from "autobahn";

const [url, realm, topic] = process.argv.slice(2);
const connection = new autobahn.Connection({ url, realm, initial_retry_delay: 0.2, max_retry_delay: 0.4, max_retries: -1 });
const seen = []; // publication ids, the last one last

function handle(publication, [value]) {
  if (seen.includes(publication)) return;
  seen.push(publication);
  console.log(value);
}

connection.onopen = async (session) => {
  const subscription = await session.subscribe(topic, (args, kwargs, details) => handle(details.publication, args));
  if (seen.length) {
    const query = { after_publication: seen.at(-1) };
    const missed = await session.call("wamp.subscription.get_events", [subscription.id], query);
    const events = missed === null ? [] : missed instanceof autobahn.Result ? missed.args : [missed];
    for (const { publication, args } of events) handle(publication, args);
  }
  console.log("joined");
};
connection.onclose = () => false; // connect again
connection.open();

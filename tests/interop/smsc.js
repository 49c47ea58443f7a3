// An SMSC on node-smpp's server, for tests: it stores and forwards between the sessions of one account, sends receipts, and
// misbehaves on request. Arguments: system_id password [--late-response]. First line on stdout: {"port": n}.
// Then JSON lines: a request on stdin, its answer on stdout.
'use strict';

const readline = require('readline');
const smpp = require('smpp');

const [systemId, password, ...flags] = process.argv.slice(2);
const lateResponse = flags.includes('--late-response');
const sessions = [];
const stored = [];
const stats = { submitted: 0, delivered: 0, throttled: 0, receipts: 0, enquired: 0, binds: 0, unbinds: 0, most_in_flight: 0 };
const faults = { throttle: 0, noresp: 0, silent: 0 };
const arrivals = [];
let noting = false;
let nextId = 0;

function stamp(date) {
  const two = (n) => String(n).padStart(2, '0');
  const parts = [date.getFullYear() % 100, date.getMonth() + 1, date.getDate(), date.getHours(), date.getMinutes()];
  return parts.map(two).join('');
}

// The session, other than the sender's, whose address range takes this destination.
function sessionFor(message) {
  return sessions.find((s) => s !== message.origin && s.range && s.range.test(message.destination_addr));
}

function route(message) {
  const session = sessionFor(message);
  if (!session) {
    stored.push(message);
    return;
  }
  session.pending.add(message);
  const fields = {
    source_addr: message.source_addr,
    destination_addr: message.destination_addr,
    esm_class: message.esm_class,
    data_coding: message.data_coding,
    short_message: message.short_message,
  };
  if (message.tlvs) Object.assign(fields, message.tlvs);
  session.deliver_sm(fields, (response) => {
    session.pending.delete(message);
    // Overloaded for now (ESME_RMSGQFUL, ESME_RTHROTTLED): it is delivered again a little later.
    if (response.command_status === 0x14 || response.command_status === 0x58) {
      setTimeout(() => route(message), 100);
      return;
    }
    if (message.receipt) return;
    stats.delivered += 1;
    if (message.registered && response.command_status === 0) receipt(message);
  });
}

function receipt(message) {
  stats.receipts += 1;
  const now = stamp(new Date());
  route({
    receipt: true,
    origin: sessionFor({ origin: null, destination_addr: message.destination_addr }),
    source_addr: message.destination_addr,
    destination_addr: message.source_addr,
    esm_class: 0x04,
    data_coding: 0,
    short_message: `id:${message.id} sub:001 dlvrd:001 submit date:${now} done date:${now} stat:DELIVRD err:000 text:`,
    tlvs: { receipted_message_id: message.id, message_state: 2 },
  });
}

function bind(session, pdu) {
  if (pdu.system_id !== systemId || pdu.password !== password) {
    session.send(pdu.response({ command_status: smpp.ESME_RINVPASWD }), () => session.close());
    return;
  }
  stats.binds += 1;
  session.range = pdu.address_range ? new RegExp(pdu.address_range) : null;
  session.send(pdu.response({ system_id: 'node-smpp' }));
  sessions.push(session);
  stored.splice(0).forEach(route);
}

function submit(session, pdu) {
  if (faults.throttle > 0) {
    faults.throttle -= 1;
    stats.throttled += 1;
    session.send(pdu.response({ command_status: smpp.ESME_RTHROTTLED }));
    return;
  }
  stats.submitted += 1;
  session.inFlight += 1;
  stats.most_in_flight = Math.max(stats.most_in_flight, session.inFlight);
  const message = {
    id: `node-${String(++nextId).padStart(8, '0')}`,
    origin: session,
    source_addr: pdu.source_addr,
    destination_addr: pdu.destination_addr,
    esm_class: pdu.esm_class & 0xc0,
    data_coding: pdu.data_coding,
    short_message: pdu.short_message,
    registered: pdu.registered_delivery & 1,
  };
  if (noting) arrivals.push([message.id, Date.now()]);
  const answer = () => {
    session.inFlight -= 1;
    if (faults.noresp > 0) faults.noresp -= 1;
    else session.send(pdu.response({ message_id: message.id }));
  };
  if (lateResponse) {
    route(message);
    setTimeout(answer, 20);
  } else {
    // Answered in the next turn, so that a window can fill.
    setImmediate(() => {
      answer();
      route(message);
    });
  }
}

function serve(session) {
  Object.assign(session, { pending: new Set(), inFlight: 0, range: null });
  for (const command of ['bind_transceiver', 'bind_transmitter', 'bind_receiver']) {
    session.on(command, (pdu) => bind(session, pdu));
  }
  session.on('submit_sm', (pdu) => submit(session, pdu));
  session.on('enquire_link', (pdu) => {
    stats.enquired += 1;
    if (faults.silent > 0) faults.silent -= 1;
    else session.send(pdu.response());
  });
  session.on('unbind', (pdu) => {
    stats.unbinds += 1;
    session.send(pdu.response(), () => session.close());
  });
  session.on('error', () => session.destroy());
  session.on('close', () => {
    const index = sessions.indexOf(session);
    if (index >= 0) sessions.splice(index, 1);
    // What nobody acknowledged is delivered again to whoever binds next.
    session.pending.forEach(route);
    session.pending.clear();
  });
}

// Every write in pieces of a few octets, in order, each in a segment of its own.
function split(session) {
  const socket = session.socket;
  const write = socket.write.bind(socket);
  const pieces = [];
  socket.setNoDelay(true);
  const next = () => {
    const [piece, done] = pieces[0];
    write(piece, () => {
      pieces.shift();
      if (done) done();
      if (pieces.length) setTimeout(next, 1);
    });
  };
  socket.write = (buffer, done) => {
    const idle = pieces.length === 0;
    for (let at = 0; at < buffer.length; at += 7) {
      pieces.push([buffer.subarray(at, at + 7), at + 7 >= buffer.length ? done : null]);
    }
    if (idle) next();
    return true;
  };
}

const verbs = {
  stats: () => ({ ...stats, bound: sessions.length, stored: stored.length }),
  // [message id, Unix ms] of every submit_sm that was read since it was asked to note them.
  arrivals: (request) => {
    noting = Boolean(request.on);
    return { arrivals: arrivals.splice(0) };
  },
  throttle: (request) => { faults.throttle = request.n; },
  noresp: (request) => { faults.noresp = request.n; },
  silent: (request) => { faults.silent = request.n; },
  drop: () => sessions.slice().forEach((session) => session.destroy()),
  unbind: () => sessions.slice().forEach((session) => session.unbind(() => session.close())),
  split: () => sessions.forEach(split),
  enquire: () => new Promise((resolve) => sessions[0].enquire_link((pdu) => resolve({ status: pdu.command_status }))),
  deliver: (request) => route({
    origin: null,
    source_addr: request.source,
    destination_addr: request.destination,
    esm_class: 0,
    data_coding: request.data_coding,
    short_message: Buffer.from(request.hex, 'hex'),
  }),
};

const server = smpp.createServer(serve);
server.listen(0, '127.0.0.1', () => console.log(JSON.stringify({ port: server.address().port })));
readline.createInterface({ input: process.stdin }).on('line', async (line) => {
  const request = JSON.parse(line);
  console.log(JSON.stringify((await verbs[request.op](request)) || {}));
});
process.stdin.on('end', () => process.exit(0));

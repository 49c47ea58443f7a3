// An SMSC on node-smpp's server that misbehaves by switches of each account, and counts at its own socket.
// Arguments: password [pem file with certificate and key: a second port speaks TLS]. First line: {"port": n, "tls_port": m}.
// Then JSON lines: a request on stdin, its answer on stdout. An account is a system_id; its switches are set before it binds.
//
// Switches. The next n submits: throttle (0x58), full (0x14), nack (generic_nack), noresp (taken, never answered), drop_mid (half
// of the response, then the socket is gone). The next n: refuse (bind, with refuse_status), mute (enquire_link), drop_mo (deliver
// written, then the socket is gone). At the n-th submit: unbind_at (answers 200 ms late), oversized_at (a length of 70,000 in the
// octets of the response). receipts: early late shuffled duplicated; dialect: text tlv none; ids: hex decimal (the response's
// base; the receipt has the other); split, coalesce (octets), tlv (one of nobody on responses and deliveries), hold (until
// "release").
'use strict';

const fs = require('fs');
const readline = require('readline');
const smpp = require('smpp');

const [password, pem] = process.argv.slice(2);
const accounts = new Map();

function accountOf(name) {
  if (!accounts.has(name)) {
    accounts.set(name, {
      name, faults: {}, sessions: [], taken: [], submit_ms: [], refused: 0, in_flight: 0, most_in_flight: 0, binds: 0,
      binds_refused: 0, unbinds: 0, receipts: 0, acked: [], pending: [], held: [], batch: [], next_id: 0x1a0,
    });
  }
  return accounts.get(name);
}

// One of the next n, when there are any left.
function take(faults, name) {
  if (!faults[name]) return false;
  faults[name] -= 1;
  return true;
}

// -- what goes out ------------------------------------------------------------------------------------------------------

const SUBMIT_SM = 0x4, SUBMIT_SM_RESP = 0x80000004, DELIVER_SM = 0x5;

function withForeignTLV(octets) {
  const command = octets.readUInt32BE(4);
  if (command !== SUBMIT_SM_RESP && command !== DELIVER_SM) return octets;
  const longer = Buffer.concat([octets, Buffer.from('1501000461626364', 'hex')]);
  longer.writeUInt32BE(longer.length, 0);
  return longer;
}

// Every write in pieces of five octets, each in a segment of its own.
function inPieces(write) {
  const pieces = [];
  const next = () => {
    const [piece, done] = pieces[0];
    write(piece, () => {
      pieces.shift();
      if (done) done();
      if (pieces.length) setTimeout(next, 1);
    });
  };
  return (octets, done) => {
    const idle = pieces.length === 0;
    for (let at = 0; at < octets.length; at += 5) {
      pieces.push([octets.subarray(at, at + 5), at + 5 >= octets.length ? done : null]);
    }
    if (idle) next();
    return true;
  };
}

// What is written within 40 ms leaves as one piece, and the last PDU is cut: its rest comes with the next piece.
function inHeaps(write) {
  let heap = [], rest = Buffer.alloc(0), timer = null;
  const flush = () => {
    const all = Buffer.concat([rest, ...heap.map(([octets]) => octets)]);
    const done = heap.map(([, callback]) => callback).filter(Boolean);
    const cut = heap.length ? Math.max(0, all.length - 6) : all.length;
    rest = all.subarray(cut);
    heap = [];
    write(all.subarray(0, cut), () => done.forEach((callback) => callback()));
    timer = rest.length ? setTimeout(flush, 40) : null;
  };
  return (octets, done) => {
    heap.push([octets, done]);
    timer = timer || setTimeout(flush, 40);
    return true;
  };
}

function bend(session, faults) {
  const { socket } = session;
  let write = socket.write.bind(socket);
  socket.setNoDelay(true);
  if (faults.split) write = inPieces(write);
  if (faults.coalesce) write = inHeaps(write);
  socket.write = (octets, done) => write(faults.tlv ? withForeignTLV(octets) : octets, done);
}

// -- what comes in ------------------------------------------------------------------------------------------------------

// Counts submits by the octets on the socket, whatever the library makes of them.
function count(session) {
  let buffer = Buffer.alloc(0);
  session.socket.on('data', (data) => {
    buffer = Buffer.concat([buffer, data]);
    while (buffer.length >= 16 && buffer.length >= buffer.readUInt32BE(0)) {
      const { account } = session;
      if (buffer.readUInt32BE(4) === SUBMIT_SM && account) {
        account.submit_ms.push(Number(process.hrtime.bigint() / 1000n) / 1000);
        account.in_flight += 1;
        session.in_flight += 1;
        account.most_in_flight = Math.max(account.most_in_flight, session.in_flight);
      }
      buffer = buffer.subarray(buffer.readUInt32BE(0));
    }
  });
}

function answer(session, pdu, fields) {
  session.in_flight -= 1;
  session.account.in_flight -= 1;
  session.send(pdu.response(fields));
}

function submit(session, pdu) {
  const { account } = session;
  const { faults } = account;
  const refuse = (fields) => {
    account.refused += 1;
    answer(session, pdu, fields);
  };
  if (take(faults, 'throttle')) return refuse({ command_status: 0x58 });
  if (take(faults, 'full')) return refuse({ command_status: 0x14 });
  if (take(faults, 'nack')) {
    account.refused += 1;
    session.in_flight -= 1;
    account.in_flight -= 1;
    return session.send(new smpp.PDU('generic_nack', { sequence_number: pdu.sequence_number, command_status: 3 }));
  }
  const words = pdu.message_payload || pdu.short_message;
  account.taken.push(Buffer.from(words.message || words).toString('latin1'));
  const number = account.next_id++;
  const message = {
    response_id: faults.ids === 'hex' ? number.toString(16).toUpperCase().padStart(8, '0') : String(number),
    receipt_id: faults.ids === 'decimal' ? number.toString(16) : String(number),
    source: pdu.source_addr,
    destination: pdu.destination_addr,
    registered: pdu.registered_delivery & 1,
  };
  if (take(faults, 'noresp')) return undefined;
  if (take(faults, 'drop_mid')) {
    const octets = pdu.response({ message_id: message.response_id }).toBuffer();
    return session.socket.write(octets.subarray(0, 9), () => session.destroy());
  }
  const respond = () => {
    answer(session, pdu, { message_id: message.response_id });
    if (faults.receipts !== 'early') receipt(account, message);
  };
  if (faults.oversized_at === account.taken.length) {
    const octets = pdu.response({ message_id: message.response_id }).toBuffer();
    session.socket.write(Buffer.concat([octets, Buffer.from([0, 1, 0x11, 0x70]), Buffer.alloc(12)]));
    return receipt(account, message);
  }
  if (faults.unbind_at === account.taken.length) session.unbind(() => session.close());
  if (faults.receipts === 'early') receipt(account, message);
  if (faults.hold) return account.held.push(respond);
  return setTimeout(respond, faults.unbind_at ? 200 : faults.receipts === 'early' ? 100 : 0);
}

// -- receipts and SMS to the platform -----------------------------------------------------------------------------------

function receipt(account, message) {
  if (!message.registered) return;
  const { faults } = account;
  const text = `id:${message.receipt_id} sub:001 dlvrd:001 submit date:2602160800 done date:2602160801 stat:DELIVRD err:000`;
  const words = { text, tlv: '', none: 'Pesan terkirim.' }[faults.dialect] ?? text;
  const tlvs = { receipted_message_id: message.receipt_id, message_state: 2 };
  const delivery = {
    key: `receipt ${message.receipt_id}`,
    fields: {
      source_addr: message.destination, destination_addr: message.source, esm_class: 4, data_coding: 0, short_message: words,
      ...(faults.dialect === 'text' || faults.dialect === 'none' ? {} : tlvs),
    },
  };
  account.receipts += 1;
  const send = () => deliver(account, delivery);
  if (faults.receipts === 'late') setTimeout(send, 1500);
  else if (faults.receipts === 'duplicated') [send, send].forEach((act) => act());
  else if (faults.receipts === 'shuffled') {
    account.batch.push(send);
    // The even ones backwards, then the odd ones.
    if (account.batch.length === faults.of) {
      const batch = account.batch.splice(0);
      [...batch.filter((_, at) => at % 2 === 0).reverse(), ...batch.filter((_, at) => at % 2)].forEach((act) => act());
    }
  } else send();
}

function deliver(account, delivery) {
  const session = account.sessions.find((candidate) => candidate.receives);
  account.pending.push(delivery);
  if (session) transmit(session, delivery);
}

function transmit(session, delivery) {
  const { account } = session;
  session.deliver_sm(delivery.fields, (response) => {
    account.acked.push([delivery.key, response.command_status]);
    account.pending.splice(account.pending.indexOf(delivery), 1);
  });
  if (!delivery.fields.esm_class && take(account.faults, 'drop_mo')) session.destroy();
}

// -- sessions -----------------------------------------------------------------------------------------------------------

function bind(session, pdu) {
  const account = accountOf(pdu.system_id);
  if (pdu.password !== password || take(account.faults, 'refuse')) {
    account.binds_refused += 1;
    const status = account.faults.refuse_status || smpp.ESME_RINVPASWD;
    return session.send(pdu.response({ command_status: status }), () => session.close());
  }
  account.binds += 1;
  session.account = account;
  session.receives = pdu.command !== 'bind_transmitter';
  bend(session, account.faults);
  session.send(pdu.response({ system_id: 'node-smpp' }));
  account.sessions.push(session);
  // What nobody acknowledged comes again.
  if (session.receives) account.pending.slice().forEach((delivery) => transmit(session, delivery));
  return undefined;
}

function serve(session) {
  Object.assign(session, { account: null, receives: false, in_flight: 0 });
  count(session);
  for (const command of ['bind_transceiver', 'bind_transmitter', 'bind_receiver']) {
    session.on(command, (pdu) => bind(session, pdu));
  }
  session.on('submit_sm', (pdu) => submit(session, pdu));
  session.on('enquire_link', (pdu) => {
    if (!session.account || !take(session.account.faults, 'mute')) session.send(pdu.response());
  });
  session.on('unbind', (pdu) => {
    if (session.account) session.account.unbinds += 1;
    session.send(pdu.response(), () => session.close());
  });
  session.on('error', () => session.destroy());
  session.on('close', () => {
    const { account } = session;
    if (!account) return;
    account.in_flight -= session.in_flight;
    account.sessions = account.sessions.filter((other) => other !== session);
  });
}

const verbs = {
  fault: ({ account, switches }) => { Object.assign(accountOf(account).faults, switches); },
  mo: ({ account, key, fields }) => deliver(accountOf(account), { key, fields }),
  release: ({ account }) => accountOf(account).held.splice(0).forEach((respond) => respond()),
  drop: ({ account }) => accountOf(account).sessions.slice().forEach((session) => session.destroy()),
  account: ({ account }) => {
    const { sessions, pending, held, batch, ...plain } = accountOf(account);
    return { ...plain, bound: sessions.length, pending: pending.length, held: held.length };
  },
};

const server = smpp.createServer(serve);
const secure = pem ? smpp.createServer({ key: fs.readFileSync(pem), cert: fs.readFileSync(pem) }, serve) : null;
server.listen(0, '127.0.0.1', () => {
  const said = (tlsPort) => console.log(JSON.stringify({ port: server.address().port, tls_port: tlsPort }));
  if (secure) secure.listen(0, '127.0.0.1', () => said(secure.address().port));
  else said(null);
});
readline.createInterface({ input: process.stdin }).on('line', (line) => {
  const request = JSON.parse(line);
  const answered = verbs[request.op](request);
  console.log(JSON.stringify(answered && typeof answered === 'object' ? answered : {}));
});
process.stdin.on('end', () => process.exit(0));

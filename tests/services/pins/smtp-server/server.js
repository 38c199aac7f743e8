// A submission server: demands STARTTLS and a login, and keeps each mail in a file.
"use strict";
const fs = require("fs");
const path = require("path");
const { SMTPServer } = require("smtp-server");

const [port, pem, inbox, username, password] = process.argv.slice(2);
const both = fs.readFileSync(pem);
let kept = 0;

function login(auth, session, answer) {
  const isRight = auth.username === username && auth.password === password;
  if (isRight) return answer(null, { user: auth.username });
  const refusal = new Error("5.7.8 Error: authentication failed");
  refusal.responseCode = 535;
  return answer(refusal);
}

function keep(stream, session, answer) {
  const parts = [];
  stream.on("data", (part) => parts.push(part));
  stream.on("end", () => {
    const number = String((kept += 1)).padStart(6, "0");
    const { mailFrom, rcptTo } = session.envelope;
    const recipients = rcptTo.map((each) => each.address);
    const mail = { sender: mailFrom.address, recipients, tls: session.secure,
                   raw: Buffer.concat(parts).toString("base64") };
    const unfinished = path.join(inbox, `.${number}`);
    fs.writeFileSync(unfinished, JSON.stringify(mail));
    fs.renameSync(unfinished, path.join(inbox, `${number}.json`));
    answer(null, "2.0.0 kept");
  });
}

new SMTPServer({
  key: both, cert: both, secure: false, authMethods: ["PLAIN", "LOGIN"],
  disableReverseLookup: true, onAuth: login, onData: keep,
}).listen(Number(port), "127.0.0.1");

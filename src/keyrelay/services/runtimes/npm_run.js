// npm's run: npm in this process, which may start no other.
//
// It runs inside a sandbox, as a script does. The order stands in the environment:
// `program` is npm's own script, and `arguments` are what it is told.
"use strict";

const child = require("node:child_process");

const order = JSON.parse(process.env.KEYRELAY_INSTALL);
delete process.env.KEYRELAY_INSTALL;
console.log(process.version.slice(1)); // the first line is awaited

for (const name of Object.keys(child)) {
  if (/^(exec|fork|spawn)/.test(name)) {
    child[name] = () => {
      throw new Error("a package asks for a program to be run, and none is run here");
    };
  }
}

process.argv.splice(1, Infinity, order.program, ...order.arguments);
require(order.program);

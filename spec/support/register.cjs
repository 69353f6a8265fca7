// Loads ts-node, without the compiled code that it keeps in the system's temporary folder: a process that reads it while another one
// writes it is ended by V8.
process.env.DISABLE_V8_COMPILE_CACHE = '1';
module.exports = require('ts-node').register();

import { coherence } from '../support/coherence.js';

// At length: spec/chaos/coherence.chaos.ts.
coherence(Number(process.env['NEAR_SECONDS'] ?? 2.5));

import { coherence } from '../support/coherence.js';
import { minutesOr } from './options.js';

coherence(minutesOr(0.1) * 60);

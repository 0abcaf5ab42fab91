/** The classic script: `<script src="recorder.js">` defines `window.SessionRecorder`. */

import { onPostHogSession } from "./posthog";
import { SessionRecorder } from "./recorder";

Object.assign(window, { SessionRecorder, onPostHogSession });

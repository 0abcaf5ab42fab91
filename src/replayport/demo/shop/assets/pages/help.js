/**
 * The helper answers from a list, and reports each turn the way an LLM application
 * reports to PostHog: one trace for a question with a retrieval span and a generation
 * in it, and feedback when somebody presses a thumb. No model is called.
 */
import { dress, track } from "../ui.js";

dress({ here: "help" });

const ANSWERS = [
  { words: ["size", "chest", "104", "fit"], page: "size-guide", text: "For a chest of 104 cm I would take an L: the Fjord measures 112 cm there, which leaves room for a shirt. If you like it close, M works too." },
  { words: ["itch", "itchy", "soft", "skin"], page: "wool", text: "Merino and lambswool do not itch for most people. The Cove fisherman is honest British wool, and you will notice it for the first ten wears." },
  { words: ["order", "parcel", "where", "late"], page: "sending", text: "Parcels leave on Fridays. If it is Friday already, yours is on the van. Give me the order number and I look closer." },
  { words: ["wash", "shrink", "dry"], page: "care", text: "Cold, by hand, rarely. Roll it in a towel, then dry it lying flat. It only shrinks if somebody is in a hurry." },
  { words: ["hole", "mend", "moth"], page: "mending", text: "Send it in, we mend it free of charge within five years. A photograph helps us choose the yarn." },
];
const UNSURE = "I do not know that one. A person reads this on Monday morning and writes back.";
const MODEL = "purl-canned-1";

const messages = document.querySelector(".messages");
const form = document.querySelector(".chat form");
const turns = [];
const conversation = crypto.randomUUID();

function say(who, text = "") {
  const item = document.createElement("li");
  item.className = who;
  const words = document.createElement("p");
  words.textContent = text;
  item.append(words);
  messages.append(item);
  messages.scrollTop = messages.scrollHeight;
  return item;
}

const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
const tokens = (text) => Math.ceil(text.length / 4);

function thumbs(item, traceId) {
  const row = document.createElement("div");
  row.className = "thumbs";
  for (const [mark, name] of [["Helpful", "good"], ["Not really", "bad"]]) {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = mark;
    button.addEventListener("click", () => {
      row.textContent = "Noted, thank you.";
      track("$ai_metric", { $ai_trace_id: traceId, $ai_metric_name: "thumb", $ai_metric_value: name });
      if (name === "bad") track("$ai_feedback", { $ai_trace_id: traceId, $ai_feedback_text: "not helpful" });
    });
    row.append(button);
  }
  item.append(row);
}

async function answer(question) {
  const traceId = crypto.randomUUID();
  const common = { $ai_trace_id: traceId, $ai_session_id: conversation };
  say("you", question);
  turns.push({ role: "user", content: question });
  const waiting = say("purl");
  waiting.classList.add("thinking");
  const began = performance.now();

  await pause(350);
  const asked = question.toLowerCase();
  const hit = ANSWERS.find(({ words }) => words.some((word) => asked.includes(word)));
  track("$ai_span", { ...common, $ai_span_id: crypto.randomUUID(), $ai_span_name: "look up help pages", $ai_parent_id: traceId, $ai_input_state: { query: question }, $ai_output_state: { pages: hit ? [hit.page] : [] }, $ai_latency: 0.35 });

  const text = hit?.text ?? UNSURE;
  await pause(450);
  waiting.classList.remove("thinking");
  for (const word of text.split(" ")) {
    waiting.firstChild.textContent += `${word} `;
    messages.scrollTop = messages.scrollHeight;
    await pause(45);
  }
  const latency = (performance.now() - began) / 1000;
  const input = [{ role: "system", content: "You are Purl, the helper of a knitwear mill." }, ...turns];
  const spent = input.reduce((sum, turn) => sum + tokens(turn.content), 0);
  track("$ai_generation", { ...common, $ai_span_id: crypto.randomUUID(), $ai_span_name: "answer", $ai_parent_id: traceId, $ai_model: MODEL, $ai_provider: "canned", $ai_input: input, $ai_input_tokens: spent, $ai_output_choices: [{ role: "assistant", content: text }], $ai_output_tokens: tokens(text), $ai_latency: latency, $ai_http_status: 200, $ai_is_error: false, $ai_total_cost_usd: (spent + tokens(text)) * 0.000001 });
  track("$ai_trace", { ...common, $ai_span_name: "help chat", $ai_input_state: question, $ai_output_state: text, $ai_latency: latency, $ai_is_error: false });
  turns.push({ role: "assistant", content: text });
  if (!hit) console.warn("the helper had no answer", { length: question.length });
  thumbs(waiting, traceId);
}

let busy = Promise.resolve();
form.addEventListener("submit", (event) => {
  event.preventDefault();
  const question = form.question.value.trim();
  if (!question) return;
  form.question.value = "";
  busy = busy.then(() => answer(question));
});
document.querySelector(".suggestions").addEventListener("click", (event) => {
  if (event.target.tagName !== "BUTTON") return;
  const question = event.target.textContent;
  event.target.remove();
  busy = busy.then(() => answer(question));
});
say("purl", "Hello, I am Purl. I know about sizes, washing, sending and holes.");

export { Entrance, type EntranceAnswer, type EntranceVisit } from "./entrance.ts";
export { readForm } from "./form.ts";

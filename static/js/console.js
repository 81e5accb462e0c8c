// The console's behaviour. Every page works without it: it only makes pages live and reachable by keys.
import "./dialogs.js";
import "./copy.js";
import "./keys.js";
import "./palette.js";
import "./settings.js";
import "./rows.js";
import "./query.js";
import "./brush.js";
import "./tree.js";
import "./diff.js";
import "./state.js";
import "./ticking.js";
import "./live.js";
import "./desk.js";

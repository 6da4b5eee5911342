/** Parses an event stream chunk by chunk, as it arrives. Source: WHATWG HTML, 9.2.6 "Interpreting an event stream". */
export class EventStreamParser {
    /** How long the stream last asked us to wait before reconnecting, in milliseconds. */
    retryMs = null;
    #rest = "";
    #event = "";
    #data = [];
    #id = null;
    #decoder = new TextDecoder();
    /** The events that this chunk completes. */
    push(chunk) {
        this.#rest += this.#decoder.decode(chunk, { stream: true });
        const found = [];
        for (;;) {
            const end = /\r\n|\n|\r(?!$)/.exec(this.#rest); // a \r at the end may be the first half of \r\n
            if (!end)
                return found;
            const line = this.#rest.slice(0, end.index);
            this.#rest = this.#rest.slice(end.index + end[0].length);
            const event = this.#take(line);
            if (event)
                found.push(event);
        }
    }
    #take(line) {
        if (line === "")
            return this.#dispatch();
        const colon = line.indexOf(":");
        const name = colon < 0 ? line : line.slice(0, colon);
        const value = colon < 0 ? "" : line.slice(colon + 1).replace(/^ /, "");
        if (name === "event")
            this.#event = value;
        else if (name === "data")
            this.#data.push(value);
        else if (name === "id" && !value.includes("\0"))
            this.#id = value;
        else if (name === "retry" && /^\d+$/.test(value))
            this.retryMs = Number(value);
        return null;
    }
    #dispatch() {
        const event = { event: this.#event || "message", data: this.#data.join("\n"), id: this.#id };
        this.#event = "";
        this.#data = [];
        return event.data === "" ? null : event;
    }
}

// Browsers start no worker for a page that is opened as a file. There the search runs in a hidden frame in its place.
// The theme calls it IFrameWorker, looks in its parent for that name, and awaits importScripts.
if (location.protocol === "file:") {
  const load = (frame, url) =>
    new Promise((done, failed) => {
      const script = frame.contentDocument.createElement("script")
      Object.assign(script, { src: url, onload: done, onerror: failed })
      frame.contentDocument.body.append(script)
    })

  window.IFrameWorker = window.Worker = class extends EventTarget {
    constructor(url) {
      super()
      const frame = document.createElement("iframe")
      frame.hidden = true
      document.body.append(frame)
      const inside = frame.contentWindow
      inside.postMessage = data => this.dispatchEvent(new MessageEvent("message", { data }))
      inside.importScripts = async (...urls) => {
        for (const each of urls) await load(frame, each)
      }
      this.inside = inside
      this.ready = load(frame, new URL(url, location))
    }

    postMessage(data) {
      this.ready.then(() => this.inside.dispatchEvent(new MessageEvent("message", { data })))
    }
  }
}

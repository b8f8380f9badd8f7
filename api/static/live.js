/*
 * Keeps the log page current: asks for the page again and takes over its <main> where the tree has grown.
 *
 * Without this script the page is whole, only still.  It stops while the page is hidden.
 */
const EVERY_MS = 2000;

async function refresh() {
  if (document.hidden) return;
  const answer = await fetch(location.href, {headers: {accept: "text/html"}, cache: "no-store"}).catch(() => null);
  if (!answer || !answer.ok) return;
  const fresh = new DOMParser().parseFromString(await answer.text(), "text/html").querySelector("main");
  const shown = document.querySelector("main");
  if (fresh && fresh.dataset.size !== shown.dataset.size && !shown.contains(document.activeElement)) {
    shown.replaceWith(fresh);
    document.getElementById("live").textContent = fresh.dataset.news;
  }
}

setInterval(refresh, EVERY_MS);

/*
 * The form of the page that anyone can host: the reader brings bundle, policy, label and RPC.
 */
import {showPasted} from "./page.js";

const form = document.getElementById("given"), field = (name) => form.elements[name];

form.addEventListener("submit", (event) => {
  event.preventDefault();
  const [bundle, policy, label, rpc] = ["bundle", "policy", "label", "rpc"].map((name) => field(name).value.trim());
  showPasted(bundle, policy + "\n", label || undefined, rpc.split(/\s+/).filter(Boolean));
});
for (const name of ["bundle", "policy"]) {
  document.getElementById(name + "-file").addEventListener("change", async ({target}) => {
    field(name).value = await target.files[0].text();
  });
  field(name).addEventListener("drop", async (event) => {
    event.preventDefault();
    field(name).value = await event.dataTransfer.files[0].text();
  });
}

/** Web push: the service tells this browser when a job is done, also while no page is open. */

import { keep, kept } from "./kept.js";
import { client } from "./session.js";

const DEVICE = "irisvue-device";

/** Subscribe, or confirm that, for whoever is signed in now. Returns whether pushes will come. */
export async function subscribe({ pushManager }) {
  const key = pushManager && (await client.getBrowserKey());
  if (!key) return false;
  const subscription = await subscriptionUnder(key, pushManager);
  keep(DEVICE, (await client.registerBrowser(subscription.toJSON())).id);
  return true;
}

/** There may be one under an older key of the service; its messages would be refused. */
async function subscriptionUnder(applicationServerKey, pushManager) {
  const options = { userVisibleOnly: true, applicationServerKey };
  try {
    return await pushManager.subscribe(options);
  } catch (error) {
    if (error.name !== "InvalidStateError") throw error;
    await (await pushManager.getSubscription()).unsubscribe();
    return pushManager.subscribe(options);
  }
}

/** End the subscription, here and with the service; where that is not reached, its next push finds it gone. */
export async function unsubscribe({ pushManager }) {
  const device = kept(DEVICE);
  keep(DEVICE, "");
  if (device) await client.removeDevice(device).catch(() => undefined);
  await (await pushManager?.getSubscription())?.unsubscribe();
}

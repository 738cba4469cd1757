// The lab's own check: camera, microphone, eye and recorder around one peer connection in one page, with no server.
import { camera, microphone } from './camera.js'
import * as eye from './eye.js'

const tile = document.querySelector('.tile')

async function connect(tracks) {
  const [from, to] = [new RTCPeerConnection(), new RTCPeerConnection()]
  from.onicecandidate = e => to.addIceCandidate(e.candidate)
  to.onicecandidate = e => from.addIceCandidate(e.candidate)
  const came = new Promise(done => {
    const streams = {}
    to.ontrack = ({ track }) => {
      streams[track.kind] = new MediaStream([track])
      if (Object.keys(streams).length === tracks.length) done(streams)
    }
  })
  for (const track of tracks) from.addTransceiver(track, { direction: 'sendonly' })
  await from.setLocalDescription()
  await to.setRemoteDescription(from.localDescription)
  await to.setLocalDescription()
  await from.setRemoteDescription(to.localDescription)
  return came
}

function show(stream) {
  const video = Object.assign(document.createElement('video'), { autoplay: true, muted: true, srcObject: stream })
  video.style.opacity = '0'
  tile.append(video)
  return video
}

let videos
window.lab = {
  async start({ number, tone }) {
    const [see, hear] = [await camera(number), await microphone(tone)]
    const first = await connect([see.track, hear.track])
    const second = await connect([see.track])
    videos = [show(first.video), show(second.video)]
    videos[0].style.opacity = ''
    const audio = Object.assign(document.createElement('audio'), { autoplay: true, srcObject: first.audio })
    tile.append(audio)
    await Promise.all(videos.map(video => new Promise(done => video.requestVideoFrameCallback(done))))
    eye.watch('loop', tile, number, () => (videos[0].style.opacity === '' ? 'first' : 'second'))
  },
  /** Raises the other video properly, or takes the picture away for a moment. */
  swap() {
    const [up, down] = videos[0].style.opacity === '0' ? videos : [...videos].reverse()
    up.style.opacity = ''
    down.style.opacity = '0'
  },
  blank(ms) {
    tile.style.visibility = 'hidden'
    setTimeout(() => (tile.style.visibility = ''), ms)
  },
  record: () => ({ runs: eye.tiles.get('loop').runs, paths: eye.tiles.get('loop').paths, late: eye.late }),
  visible: () => document.visibilityState,
}

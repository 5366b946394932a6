// The engine's clock in lock-step: one frame is one fixed step, and frames wait for nobody's screen. What stood there
// before the first step comes back with Release. Main thread only.
using Assets.Scripts.Utility;
using UnityEngine;

namespace ResearchPlugin;

public sealed class LockStepTime
{
    private readonly float _stepS;
    private float _fixedDeltaS, _captureDeltaS, _timeScale;
    private int _vSyncs, _frameRate;

    public LockStepTime(float stepS)
    {
        _stepS = stepS;
    }

    public bool IsHeld { get; private set; }

    /// <summary>The next frame is one fixed step; a game that paused itself stays paused.</summary>
    public void Step()
    {
        Hold();
        Time.fixedDeltaTime = _stepS;
        Time.captureDeltaTime = _stepS;
        Time.timeScale = MyTime.paused ? 0 : 1;
    }

    /// <summary>The next frame is no time at all.</summary>
    public void Stand()
    {
        Hold();
        Time.timeScale = 0;
    }

    /// <summary>Leave everything as it was before the first step; a game that paused itself stays paused.</summary>
    public void Release()
    {
        if (!IsHeld)
        {
            return;
        }
        IsHeld = false;
        Time.fixedDeltaTime = _fixedDeltaS;
        Time.captureDeltaTime = _captureDeltaS;
        Time.timeScale = MyTime.paused ? 0 : _timeScale > 0 ? _timeScale : 1;
        QualitySettings.vSyncCount = _vSyncs;
        Application.targetFrameRate = _frameRate;
    }

    private void Hold()
    {
        if (IsHeld)
        {
            return;
        }
        IsHeld = true;
        (_fixedDeltaS, _captureDeltaS, _timeScale) = (Time.fixedDeltaTime, Time.captureDeltaTime, Time.timeScale);
        (_vSyncs, _frameRate) = (QualitySettings.vSyncCount, Application.targetFrameRate);
        QualitySettings.vSyncCount = 0;
        Application.targetFrameRate = -1;
    }
}

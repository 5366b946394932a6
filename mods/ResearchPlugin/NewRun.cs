// A new run, from the menu or after another one: asked for as soon as the game has its data, and there when a map was
// made since and its clock went back. A game that boots or fades out is waited for, but not for ever. Main thread only.
using Assets.Scripts.Game.Other;
using Assets.Scripts.Managers;
using Assets.Scripts.Utility;
using BonkLink;

namespace ResearchPlugin;

public sealed class NewRun
{
    public const double PatienceS = 60;
    private const float NoTimeS = 0.1f;
    private bool _isAsked;
    private double _sinceS;
    private long _maps;
    private float _timerS;

    /// <summary>A client wants a new run.</summary>
    public void Ask(double nowS)
    {
        (_isAsked, _sinceS) = (false, nowS);
        Try();
    }

    public bool IsLate(double nowS) => nowS - _sinceS > PatienceS;

    /// <summary>True in the first frame of the new run; until then asks again where the game was not ready.</summary>
    public bool IsReady(GameScreens screens, double nowS)
    {
        if (!_isAsked)
        {
            Try();
            return false;
        }
        var isNewMap = !Seeding.CountsMaps || Seeding.Maps > _maps;
        var isNewTime = _timerS < NoTimeS || MyTime.runTimer < _timerS;
        return isNewMap && isNewTime && screens.Menu != MenuNames.Loading && !MapController.IsMainMenu()
            && GameManager.Instance != null && GameManager.Instance.IsPlaying();
    }

    private void Try()
    {
        (_maps, _timerS) = (Seeding.Maps, MyTime.runTimer);
        if (MapController.runConfig is not null && !MapController.IsMainMenu())
        {
            _isAsked = true;
            MapController.RestartRun();
            return;
        }
        var data = DataManager.Instance;
        if (data == null || data.maps is not { Count: > 0 } maps)
        {
            return;
        }
        _isAsked = true;
        MapController.StartNewMap(new RunConfig
        {
            mapData = maps[0], stageData = maps[0].stages[0]!, mapTierIndex = 0, musicTrackIndex = -1,
        });
    }
}
